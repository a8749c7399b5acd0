# The role that users choose with --db-user: what may be done at most with the tables. Only the agent may assume it.

resource "aws_iam_role" "access" {
  name                 = var.access_role_name
  description          = "Access to DynamoDB through Postern"
  permissions_boundary = var.permissions_boundary
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [merge(
      {
        Effect    = "Allow"
        Principal = { AWS = aws_iam_role.agent.arn }
        Action    = local.assume_actions
      },
      var.external_id == null ? {} : { Condition = { StringEquals = { "sts:ExternalId" = var.external_id } } },
    )]
  })
}

resource "aws_iam_role_policy" "access" {
  name = "tables"
  role = aws_iam_role.access.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [for each in local.access_statements : each.statement if each.wanted]
  })
}

locals {
  access_statements = [
    {
      wanted = true
      statement = {
        Effect   = "Allow"
        Action   = var.actions
        Resource = flatten([for table in var.tables : ["${local.arn}/${table}", "${local.arn}/${table}/index/*"]])
      }
    },
    {
      wanted = var.streams
      statement = {
        Effect   = "Allow"
        Action   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
        Resource = [for table in var.tables : "${local.arn}/${table}/stream/*"]
      }
    },
    # These two have no resource that could be narrowed.
    {
      wanted    = var.streams
      statement = { Effect = "Allow", Action = ["dynamodb:ListStreams"], Resource = "*" }
    },
    {
      wanted    = var.list_tables
      statement = { Effect = "Allow", Action = ["dynamodb:ListTables"], Resource = "*" }
    },
    # Whatever tables names: nobody reaches through Postern what Postern itself is kept in.
    {
      wanted    = local.has_auth
      statement = { Effect = "Deny", Action = ["dynamodb:*"], Resource = local.cluster_arns }
    },
  ]
}
