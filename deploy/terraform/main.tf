# What is in Azure, for pods of an AKS cluster that log in to a PostgreSQL flexible server as a managed identity.
# How to run it, and the role, which is SQL: docs/kubernetes.md, section Terraform.

data "azurerm_client_config" "current" {}

data "azurerm_resource_group" "this" {
  name = var.resource_group_name
}

data "azurerm_kubernetes_cluster" "this" {
  name                = var.cluster.name
  resource_group_name = var.cluster.resource_group_name
}

resource "azurerm_user_assigned_identity" "this" {
  name                = var.identity_name
  resource_group_name = data.azurerm_resource_group.this.name
  location            = data.azurerm_resource_group.this.location
}

# Pods with this ServiceAccount, in this cluster, are the identity.
resource "azurerm_federated_identity_credential" "this" {
  name                      = "${var.service_account.namespace}-${var.service_account.name}"
  user_assigned_identity_id = azurerm_user_assigned_identity.this.id
  issuer                    = data.azurerm_kubernetes_cluster.this.oidc_issuer_url
  subject                   = "system:serviceaccount:${var.service_account.namespace}:${var.service_account.name}"
  audience                  = ["api://AzureADTokenExchange"]

  lifecycle {
    precondition {
      condition     = coalesce(data.azurerm_kubernetes_cluster.this.oidc_issuer_url, "none") != "none"
      error_message = "The cluster has no OIDC issuer: az aks update --enable-oidc-issuer --enable-workload-identity"
    }
  }
}

resource "azurerm_postgresql_flexible_server" "this" {
  name                = var.server.name
  resource_group_name = data.azurerm_resource_group.this.name
  location            = data.azurerm_resource_group.this.location

  version    = var.server.version
  sku_name   = var.server.sku_name
  storage_mb = var.server.storage_mb

  # No passwords at all: then there is none to be stolen, and no administrator_login either.
  authentication {
    active_directory_auth_enabled = true
    password_auth_enabled         = false
    tenant_id                     = data.azurerm_client_config.current.tenant_id
  }

  delegated_subnet_id           = var.server.delegated_subnet_id
  private_dns_zone_id           = var.server.private_dns_zone_id
  public_network_access_enabled = var.server.delegated_subnet_id == null

  lifecycle {
    # Azure chooses the zone, and another one at a failover.
    ignore_changes = [zone]
  }
}

resource "azurerm_postgresql_flexible_server_active_directory_administrator" "this" {
  server_name         = azurerm_postgresql_flexible_server.this.name
  resource_group_name = data.azurerm_resource_group.this.name
  tenant_id           = data.azurerm_client_config.current.tenant_id
  object_id           = var.administrator.object_id
  principal_name      = var.administrator.name
  principal_type      = var.administrator.type
}

resource "azurerm_postgresql_flexible_server_database" "this" {
  name      = var.database
  server_id = azurerm_postgresql_flexible_server.this.id
}

resource "azurerm_postgresql_flexible_server_firewall_rule" "this" {
  for_each = var.allowed_addresses

  name             = each.key
  server_id        = azurerm_postgresql_flexible_server.this.id
  start_ip_address = each.value
  end_ip_address   = each.value
}
