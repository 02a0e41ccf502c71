output "server" {
  value       = azurerm_postgresql_flexible_server.this.fqdn
  description = "The server's host name."
}

output "user" {
  value       = azurerm_user_assigned_identity.this.name
  description = "The role: --user of the proxy."
}

output "client_id" {
  value       = azurerm_user_assigned_identity.this.client_id
  description = "For the ServiceAccount: azure.workload.identity/client-id."
}

output "role_sql" {
  # By object id: no other identity of the same name can be meant. Quotes are not among a name's characters.
  value       = "select * from pgaadauth_create_principal_with_oid('${azurerm_user_assigned_identity.this.name}', '${azurerm_user_assigned_identity.this.principal_id}', 'service', false, false);"
  description = "Makes the role: run it in database postgres, as the administrator."
}

output "helm_values" {
  value = {
    identity = {
      clientId = azurerm_user_assigned_identity.this.client_id
    }
    serviceAccount = {
      name = var.service_account.name
    }
    config = {
      server   = azurerm_postgresql_flexible_server.this.fqdn
      user     = azurerm_user_assigned_identity.this.name
      database = azurerm_postgresql_flexible_server_database.this.name
    }
  }
  description = "Values of the chart, for this identity: terraform output -json helm_values > identity.json"
}
