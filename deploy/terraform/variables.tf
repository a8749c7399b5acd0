variable "account_id" {
  description = "AWS account of the tables and roles, 12 digits."
  type        = string
  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "An AWS account has exactly 12 digits, without dashes."
  }
}

variable "region" {
  description = "AWS region of the tables."
  type        = string
}

variable "partition" {
  description = "aws, aws-us-gov (GovCloud) or aws-cn (China)."
  type        = string
  default     = "aws"
  validation {
    condition     = contains(["aws", "aws-us-gov", "aws-cn"], var.partition)
    error_message = "The partition is aws, aws-us-gov or aws-cn."
  }
}

variable "tables" {
  description = "Names of the tables that the access role may use; a * stands for any text."
  type        = list(string)
  validation {
    condition     = length(var.tables) > 0 && alltrue([for table in var.tables : can(regex("^[A-Za-z0-9_.*-]+$", table))])
    error_message = "Name at least one table, by its name and not its ARN."
  }
}

variable "actions" {
  description = "What the access role may do with the tables. Postern's roles narrow it for each user; nothing widens it."
  type        = list(string)
  default = [
    "dynamodb:BatchGetItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:DescribeTable",
    "dynamodb:GetItem",
    "dynamodb:PartiQLDelete",
    "dynamodb:PartiQLInsert",
    "dynamodb:PartiQLSelect",
    "dynamodb:PartiQLUpdate",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:Scan",
    "dynamodb:UpdateItem",
  ]
}

variable "list_tables" {
  description = "Whether users may list the tables of the region. Postern shows each user only those that they may work on."
  type        = bool
  default     = true
}

variable "streams" {
  description = "Whether users may read the tables' streams."
  type        = bool
  default     = false
}

variable "external_id" {
  description = "What the gateway must say when it assumes the access role; the same as aws.external_id of the database."
  type        = string
  default     = null
}

variable "session_tags" {
  description = "Whether the gateway may tag its sessions: for aws.session_tags and aws.identity_tags.user_tag."
  type        = bool
  default     = false
}

variable "source_identity" {
  description = "Whether the gateway may say the user's name as SourceIdentity: for aws.identity_tags.source_identity."
  type        = bool
  default     = false
}

variable "agent_role_name" {
  description = "Name of the gateway's own role."
  type        = string
  default     = "PosternDatabaseService"
}

variable "access_role_name" {
  description = "Name of the role that users choose with --db-user."
  type        = string
  default     = "ExamplePosternDynamoDBRole"
}

variable "permissions_boundary" {
  description = "ARN of a policy that bounds every role made here."
  type        = string
  default     = null
}

variable "runs_on" {
  description = "Where Postern runs: ec2, irsa (service accounts of Kubernetes by OIDC) or pod-identity (EKS)."
  type        = string
  default     = "ec2"
  validation {
    condition     = contains(["ec2", "irsa", "pod-identity"], var.runs_on)
    error_message = "It runs on ec2, irsa or pod-identity."
  }
}

variable "oidc_issuer" {
  description = "irsa: issuer of the cluster's tokens without https://, as aws eks describe-cluster prints it."
  type        = string
  default     = null
}

variable "oidc_audience" {
  description = "irsa: audience of the cluster's tokens."
  type        = string
  default     = "sts.amazonaws.com"
}

variable "namespace" {
  description = "irsa: namespace of the service accounts postern-agent and postern-auth."
  type        = string
  default     = "postern"
}

variable "cluster_table" {
  description = "Name of the table that auth_service keeps the cluster in; absent: no role for it."
  type        = string
  default     = null
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that seals the cluster's secrets; absent: a key file seals them."
  type        = string
  default     = null
}

variable "auth_role_name" {
  description = "Name of the role of auth_service, made where cluster_table is given."
  type        = string
  default     = "PosternAuthService"
}
