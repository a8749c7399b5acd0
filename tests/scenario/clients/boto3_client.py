"""Drives DynamoDB with boto3 through the steps of report.ts; takes its options as one JSON argument, prints one JSON report."""

import json
import sys
from decimal import Decimal

import boto3
from boto3.dynamodb.conditions import Key
from botocore.config import Config
from botocore.exceptions import ClientError

options = json.loads(sys.argv[1])
table_name = options["table"]
session = boto3.session.Session(
    aws_access_key_id=options["accessKeyId"],
    aws_secret_access_key=options["secretAccessKey"],
    region_name=options["region"],
)
settings = {"config": Config(retries={"mode": "standard", "max_attempts": 3})}
client = session.client("dynamodb", endpoint_url=options["endpoint"], **settings)
creator = session.client("dynamodb", endpoint_url=options.get("createEndpoint") or options["endpoint"], **settings)
table = session.resource("dynamodb", endpoint_url=options["endpoint"], **settings).Table(table_name)

steps, attempts, sent = {}, {}, [0]


def count(**_):
    sent[0] += 1


for counted in (client, creator, table.meta.client):
    counted.meta.events.register("before-send.dynamodb.*", count)


def step(name, act):
    sent[0] = 0
    try:
        steps[name] = {"value": act()}
    except ClientError as error:
        response = error.response
        steps[name] = {
            "error": response["Error"]["Code"],
            "message": response["Error"].get("Message", ""),
            "status": response["ResponseMetadata"]["HTTPStatusCode"],
        }
    except Exception as error:  # whatever breaks must be in the report
        steps[name] = {"error": type(error).__name__, "message": str(error), "status": None}
    attempts[name] = sent[0]


def create():
    answer = creator.create_table(
        TableName=table_name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
            {"AttributeName": "status", "AttributeType": "S"},
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-status",
                "KeySchema": [{"AttributeName": "status", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    return answer["TableDescription"]["TableStatus"]


def wait():
    client.get_waiter("table_exists").wait(TableName=table_name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    return client.describe_table(TableName=table_name)["Table"]["TableStatus"]


def describe():
    described = client.describe_table(TableName=table_name)["Table"]
    return {
        "keys": [key["AttributeName"] for key in described["KeySchema"]],
        "indexes": [index["IndexName"] for index in described["GlobalSecondaryIndexes"]],
    }


def done(_):
    return True


def strings(item):
    return item and {name: str(value) for name, value in item.items()}


def batch_write():
    with table.batch_writer() as batch:
        for number in range(2, 27):
            batch.put_item({"pk": "ada", "sk": number, "text": "x" * 400})
    return 25


def pages():
    paginator = client.get_paginator("query").paginate(
        TableName=table_name,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "ada"}},
        PaginationConfig={"PageSize": 10},
    )
    return [page["Count"] for page in paginator if page["Count"]]


def key(number, pk="ada"):
    return {"pk": {"S": pk}, "sk": {"N": str(number)}}


def batch_get():
    found = client.batch_get_item(RequestItems={table_name: {"Keys": [key(1), key(3), key(999)]}})
    return sorted(item["sk"]["N"] for item in found["Responses"][table_name])


def transact_get():
    found = client.transact_get_items(TransactItems=[{"Get": {"TableName": table_name, "Key": key(n, "tx")}} for n in (100, 101)])
    return [answer["Item"]["sk"]["N"] for answer in found["Responses"]]


def transact_put(number, **extra):
    return {"Put": {"TableName": table_name, "Item": key(number, "tx"), **extra}}


new_only = {"ConditionExpression": "attribute_not_exists(pk)"}

step("create_table", create)
step("wait_exists", wait)
step("describe_table", describe)
step("put_item", lambda: done(table.put_item(Item={"pk": "ada", "sk": 1, "status": "open", "total": Decimal("12.50")})))
step("get_item", lambda: strings(table.get_item(Key={"pk": "ada", "sk": 1}, ConsistentRead=True).get("Item")))
step("get_absent", lambda: table.get_item(Key={"pk": "nobody", "sk": 1}).get("Item"))
step(
    "update_item",
    lambda: table.update_item(
        Key={"pk": "ada", "sk": 1},
        UpdateExpression="SET #s = :s",
        ExpressionAttributeNames={"#s": "status"},
        ExpressionAttributeValues={":s": "paid"},
        ReturnValues="UPDATED_NEW",
    )["Attributes"]["status"],
)
step("put_condition_fails", lambda: done(client.put_item(TableName=table_name, Item=key(1), **new_only)))
step("batch_write", batch_write)
step("batch_get", batch_get)
step(
    "query",
    lambda: [str(item["sk"]) for item in table.query(KeyConditionExpression=Key("pk").eq("ada"), Limit=3)["Items"]],
)
step("query_index", lambda: table.query(IndexName="by-status", KeyConditionExpression=Key("status").eq("paid"))["Count"])
step("query_pages", pages)
step("scan_large", lambda: len(table.scan()["Items"]))
step("transact_write", lambda: done(client.transact_write_items(TransactItems=[transact_put(100), transact_put(101)])))
step("transact_get", transact_get)
step("transact_cancelled", lambda: done(client.transact_write_items(TransactItems=[transact_put(100, **new_only)])))
step(
    "partiql_insert",
    lambda: done(
        client.execute_statement(Statement=f"INSERT INTO \"{table_name}\" VALUE {{'pk': 'ql', 'sk': ?, 'text': 'partiql'}}", Parameters=[{"N": "1"}])
    ),
)
step(
    "partiql_select",
    lambda: client.execute_statement(Statement=f"SELECT text FROM \"{table_name}\" WHERE pk = ? AND sk = 1", Parameters=[{"S": "ql"}])["Items"][0]["text"]["S"],
)
step("partiql_absent_table", lambda: done(client.execute_statement(Statement=f"SELECT * FROM \"{table_name}-absent\" WHERE pk = 'a'")))
step("absent_table", lambda: done(client.get_item(TableName=f"{table_name}-absent", Key=key(1))))
step("invalid", lambda: done(client.get_item(TableName=table_name, Key={"wrong": {"S": "x"}})))
step("delete_item", lambda: done(table.delete_item(Key={"pk": "ql", "sk": 1})))
step("list_tables", lambda: table_name in [name for page in client.get_paginator("list_tables").paginate() for name in page["TableNames"]])
step("delete_table", lambda: done(client.delete_table(TableName=table_name)))

json.dump({"client": "boto3", "version": boto3.__version__, "steps": steps, "attempts": attempts}, sys.stdout)
