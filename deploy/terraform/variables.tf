variable "subscription_id" {
  type        = string
  description = "The subscription of everything here."
}

variable "resource_group_name" {
  type        = string
  description = "An existing resource group, for the server and the identity."
}

variable "cluster" {
  type = object({
    name                = string
    resource_group_name = string
  })
  description = "An existing AKS cluster, with OIDC issuer and workload identity."
}

variable "service_account" {
  type = object({
    namespace = string
    name      = string
  })
  description = "Pods with this ServiceAccount are the identity. It need not be there yet."
  default = {
    namespace = "shop"
    name      = "orders"
  }
}

variable "identity_name" {
  type        = string
  description = "The managed identity, and the role on the server."
  default     = "orders-identity"

  validation {
    # PostgreSQL cuts longer names off, and Azure then finds no such identity.
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9_-]{2,62}$", var.identity_name))
    error_message = "A name has 3 to 63 letters, digits, hyphens and underscores, and begins with a letter or digit."
  }
}

variable "server" {
  type = object({
    name       = string
    version    = optional(string, "17")
    sku_name   = optional(string, "B_Standard_B1ms")
    storage_mb = optional(number, 32768)
    # Both, for a server in a virtual network; neither, for one with a public address.
    delegated_subnet_id = optional(string)
    private_dns_zone_id = optional(string)
  })
  description = "The PostgreSQL flexible server to make. Its name is part of a host name, and unique in all of Azure."

  validation {
    condition     = (var.server.delegated_subnet_id == null) == (var.server.private_dns_zone_id == null)
    error_message = "A server in a virtual network needs delegated_subnet_id and private_dns_zone_id."
  }
}

variable "allowed_addresses" {
  type        = map(string)
  description = "With a public address: who may connect, such as the cluster's outbound address and yours. Name to IPv4 address."
  default     = {}

  validation {
    condition     = alltrue([for address in values(var.allowed_addresses) : can(regex("^[0-9.]+$", address)) && can(cidrhost("${address}/32", 0))])
    error_message = "Each must be one IPv4 address, such as 203.0.113.7."
  }
}

variable "database" {
  type        = string
  description = "The database to make."
  default     = "app"
}

variable "administrator" {
  type = object({
    name      = string
    object_id = string
    type      = optional(string, "User")
  })
  description = "The Entra administrator, who makes the role: a user (its user principal name), a group or a service principal."

  validation {
    condition     = contains(["User", "Group", "ServicePrincipal"], var.administrator.type)
    error_message = "The type is User, Group or ServicePrincipal."
  }
}
