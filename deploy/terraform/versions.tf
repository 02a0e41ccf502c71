terraform {
  required_version = ">= 1.5"

  required_providers {
    azurerm = {
      source = "hashicorp/azurerm"
      # The first that calls a federated credential's parent user_assigned_identity_id.
      version = "~> 4.66"
    }
  }
}

provider "azurerm" {
  features {}

  subscription_id = var.subscription_id
}
