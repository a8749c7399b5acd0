output "agent_role_arn" {
  description = "For the service account or the instance of the gateway."
  value       = aws_iam_role.agent.arn
}

output "agent_instance_profile" {
  description = "ec2: for the instance of the gateway."
  value       = one(aws_iam_instance_profile.agent[*].name)
}

output "access_role_arn" {
  description = "For --db-user and for db_users of roles; its name alone will do."
  value       = aws_iam_role.access.arn
}

output "auth_role_arn" {
  description = "For the service account or the instance of the auth service."
  value       = one(aws_iam_role.auth[*].arn)
}
