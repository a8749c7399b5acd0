# METADATA
# title: Fixtures
# description: Questions and compiled roles that the tests start from.
package testing

# METADATA
# title: A plain read
# description: Alice, who holds the role reader, gets an item of orders.
get_item := {
	"version": 1,
	"time": "2026-11-22T14:00:00.000Z",
	"user": {"name": "alice", "roles": ["reader"], "traits": {}, "mfa_verified": false},
	"client": {"ip": "127.0.0.1", "user_agent": "Boto3/1.40"},
	"database": {
		"name": "example-dynamodb",
		"labels": {"env": "dev"},
		"region": "us-east-1",
		"account_id": "123456789012",
		"partition": "aws",
	},
	"db_user": "arn:aws:iam::123456789012:role/ExampleRole",
	"request": {
		"service": "dynamodb",
		"operation": "GetItem",
		"id": "01JD0000000000000000000000",
		"accesses": [access],
	},
}

# METADATA
# title: One access
access := {
	"action": "dynamodb:GetItem",
	"level": "read",
	"via": "GetItem",
	"table": "orders",
	"index": null,
	"arn": "arn:aws:dynamodb:us-east-1:123456789012:table/orders",
	"keys_known": true,
	"leading_keys": ["ada#1"],
	"own_keys": true,
	"attributes_known": false,
	"attributes": [],
	"reads": [],
	"writes": [],
	"select": null,
	"return_values": "NONE",
	"whole_item": false,
	"full_scan": false,
	"consistent": false,
}

# METADATA
# title: Compiled roles
compiled := {
	"version": 1,
	"roles": {
		"reader": {"allow": {
			"labels": {"any": true},
			"users": {"path": {"exact": {"ExampleRole": true}}},
			"rules": {"index": "i0", "list": [{"tables": {"exact": {"orders": true}}}]},
		}},
		"anything": {"allow": {"labels": {"any": true}, "users": {"path": {"any": true}}}},
		"no-deletes": {"deny": {"rules": {"index": "i1", "list": [{}]}}},
		"no-payroll": {"deny": {"rules": {"index": "i2", "list": [{"tables": {"exact": {"payroll": true}}}]}}},
		"no-reads": {"deny": {"rules": {"index": "i3", "list": [{"narrow": {"scans": [true]}}, {}]}}},
		"nothing": {},
	},
	"indexes": {
		"i0": {"dynamodb:GetItem": [0]},
		"i1": {"dynamodb:DeleteItem": [0]},
		"i2": {"dynamodb:ListTables": [0]},
		"i3": {"dynamodb:GetItem": [0, 1]},
	},
}

# METADATA
# title: Holding
# description: The plain read by a user who holds these roles.
holding(roles) := object.union(get_item, {"user": {"roles": roles}})

# METADATA
# title: Asking
# description: The plain read with each of these laid over its access.
asking(changes) := object.union(
	get_item,
	{"request": {"accesses": [object.union(access, change) | some change in changes]}},
)

# METADATA
# title: Asked by a user
# description: >-
#   The plain read by this user, through this AWS role of the database's account, with each of the changes laid over its
#   access. `postern policy test --resources DIR` gives the users of a directory as data.testing.users.
asked_by(user, aws_role, changes) := object.union(
	asking(changes),
	{"user": user, "db_user": concat("", ["arn:aws:iam::123456789012:role/", aws_role])},
)
