# The roles that Postern's own processes run as: the agent, which may assume the access role and nothing else, and the auth
# service, which may use the cluster's own table and key and nothing else.

locals {
  arn = "arn:${var.partition}:dynamodb:${var.region}:${var.account_id}:table"

  service_accounts = { agent = "postern-agent", auth = "postern-auth" }

  # Who may become a service role, by where it runs.
  service_trust = {
    for service, account in local.service_accounts : service => {
      ec2 = {
        Effect    = "Allow"
        Principal = { Service = var.partition == "aws-cn" ? "ec2.amazonaws.com.cn" : "ec2.amazonaws.com" }
        Action    = "sts:AssumeRole"
      }
      pod-identity = {
        Effect    = "Allow"
        Principal = { Service = "pods.eks.amazonaws.com" }
        Action    = ["sts:AssumeRole", "sts:TagSession"]
      }
      irsa = {
        Effect    = "Allow"
        Principal = { Federated = "arn:${var.partition}:iam::${var.account_id}:oidc-provider/${coalesce(var.oidc_issuer, "none")}" }
        Action    = "sts:AssumeRoleWithWebIdentity"
        Condition = {
          StringEquals = {
            "${coalesce(var.oidc_issuer, "none")}:sub" = "system:serviceaccount:${var.namespace}:${account}"
            "${coalesce(var.oidc_issuer, "none")}:aud" = var.oidc_audience
          }
        }
      }
    }
  }

  assume_actions = concat(
    ["sts:AssumeRole"],
    var.session_tags ? ["sts:TagSession"] : [],
    var.source_identity ? ["sts:SetSourceIdentity"] : [],
  )

  has_auth = var.cluster_table != null

  cluster_arns = local.has_auth ? ["${local.arn}/${var.cluster_table}", "${local.arn}/${var.cluster_table}/*"] : []
}

resource "aws_iam_role" "agent" {
  name                 = var.agent_role_name
  description          = "Postern's gateway: assumes the roles that its users choose"
  permissions_boundary = var.permissions_boundary
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [local.service_trust.agent[var.runs_on]]
  })

  lifecycle {
    precondition {
      condition     = var.runs_on != "irsa" || var.oidc_issuer != null
      error_message = "With runs_on = \"irsa\" oidc_issuer must be given."
    }
  }
}

resource "aws_iam_role_policy" "agent" {
  name = "assume-access-role"
  role = aws_iam_role.agent.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = local.assume_actions
      Resource = aws_iam_role.access.arn
    }]
  })
}

resource "aws_iam_instance_profile" "agent" {
  count = var.runs_on == "ec2" ? 1 : 0
  name  = var.agent_role_name
  role  = aws_iam_role.agent.name
}

resource "aws_iam_role" "auth" {
  count                = local.has_auth ? 1 : 0
  name                 = var.auth_role_name
  description          = "Postern's auth service: keeps the cluster"
  permissions_boundary = var.permissions_boundary
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [local.service_trust.auth[var.runs_on]]
  })
}

resource "aws_iam_role_policy" "auth" {
  count = local.has_auth ? 1 : 0
  name  = "cluster-store"
  role  = aws_iam_role.auth[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        # CreateTable and UpdateTimeToLive: the first start makes the table. No DeleteTable.
        Effect = "Allow"
        Action = [
          "dynamodb:ConditionCheckItem",
          "dynamodb:CreateTable",
          "dynamodb:DeleteItem",
          "dynamodb:DescribeTable",
          "dynamodb:DescribeTimeToLive",
          "dynamodb:GetItem",
          "dynamodb:PutItem",
          "dynamodb:Query",
          "dynamodb:Scan",
          "dynamodb:UpdateItem",
          "dynamodb:UpdateTimeToLive",
        ]
        Resource = "${local.arn}/${var.cluster_table}"
      }],
      var.kms_key_arn == null ? [] : [{
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
        Resource = var.kms_key_arn
      }],
    )
  })
}

resource "aws_iam_instance_profile" "auth" {
  count = local.has_auth && var.runs_on == "ec2" ? 1 : 0
  name  = var.auth_role_name
  role  = aws_iam_role.auth[0].name
}
