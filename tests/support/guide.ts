/** What the guide prints, where several scenarios follow it. */

/** The role of its second step. */
export const GUIDE_ROLE = `kind: role
version: v7
metadata:
  name: aws-dynamodb-access
spec:
  allow:
    db_labels:
      '*': '*'
    db_users:
    - 'ExampleTeleportDynamoDBRole'
`;
