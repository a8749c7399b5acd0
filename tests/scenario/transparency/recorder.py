"""A pytest plugin that leads the DynamoDB clients of a test suite to given endpoints and records what each test sent, got and came to.

It takes its options as JSON in POSTERN_RECORDER: `endpoints` (region to URL), `services` (whose clients are led and recorded),
`out` (a file of JSON lines, one a test), `emptied` (absent, or a DynamoDB whose tables go before each test).
What a test draws by chance is drawn from the test's name, so that two runs send the same.
"""

import hashlib
import json
import os
import random
import traceback
import uuid
import zlib

import botocore.session
import pytest

options = json.loads(os.environ["POSTERN_RECORDER"])
LONGEST = 100_000
chance = random.Random("what is drawn before any test")
exchanges = []
create_client = botocore.session.Session.create_client


def drawn_uuid():
    return uuid.UUID(int=chance.getrandbits(128), version=4)


uuid.uuid4 = drawn_uuid


def text(content):
    """As it is, or its digest where it would fill the memory of whoever compares."""
    content = content if isinstance(content, bytes) else (content or "").encode()
    if len(content) > LONGEST:
        return f"{len(content)} bytes, {hashlib.sha256(content).hexdigest()}"
    return content.decode("utf-8", "backslashreplace")


def checksum(response):
    """Whether x-amz-crc32 is that of the body; what was compressed on the way can no longer be told."""
    sent = response.headers.get("x-amz-crc32")
    if sent is None or "content-encoding" in response.headers:
        return None
    return int(sent) == zlib.crc32(response.content)


def recorded(send, region):
    def send_and_record(request):
        exchange = {
            "region": region,
            "operation": text(request.headers["X-Amz-Target"]),
            "request": text(request.body),
        }
        exchanges.append(exchange)
        try:
            response = send(request)
        except Exception as error:
            exchange["broken"] = type(error).__name__
            raise
        exchange["status"] = response.status_code
        exchange["headers"] = {name.lower(): value for name, value in response.headers.items()}
        exchange["response"] = text(response.content)
        exchange["checksum"] = checksum(response)
        return response

    return send_and_record


def create_led_client(session, service_name, region_name=None, **rest):
    if service_name not in options["services"]:
        return create_client(session, service_name, region_name=region_name, **rest)
    region = region_name or session.get_config_variable("region")
    if region not in options["endpoints"]:
        raise LookupError(f"no endpoint for {service_name} in {region}")
    rest["endpoint_url"] = options["endpoints"][region]
    client = create_client(session, service_name, region_name=region_name, **rest)
    http = client._endpoint.http_session
    http.send = recorded(http.send, region)
    return client


botocore.session.Session.create_client = create_led_client


def emptied():
    """Makes the function that leaves no table there."""
    client = create_client(
        botocore.session.Session(),
        "dynamodb",
        region_name="us-east-1",
        endpoint_url=options["emptied"],
        aws_access_key_id="emptying",
        aws_secret_access_key="emptying",
    )

    def empty():
        for page in client.get_paginator("list_tables").paginate():
            for name in page["TableNames"]:
                try:
                    client.delete_table(TableName=name)
                except client.exceptions.ClientError:
                    client.update_table(TableName=name, DeletionProtectionEnabled=False)
                    client.delete_table(TableName=name)

    return empty


class Recorder:
    def __init__(self):
        self.out = open(options["out"], "w", encoding="utf-8")
        self.worst = {}
        self.empty = emptied() if options.get("emptied") else lambda: None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item):
        self.empty()
        exchanges.clear()
        self.worst = {"test": item.nodeid, "outcome": "passed", "failure": None}
        chance.seed(item.nodeid)
        random.seed(item.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        if report.outcome == "failed" and self.worst["failure"] is None:
            error = call.excinfo.value
            last = traceback.extract_tb(error.__traceback__)[-1]
            self.worst["outcome"] = "failed"
            self.worst["failure"] = {
                "when": call.when,
                "kind": type(error).__name__,
                "message": str(error)[:2000],
                "line": f"{os.path.basename(last.filename)}:{last.lineno}",
            }
        elif report.outcome == "skipped" and self.worst["outcome"] == "passed":
            self.worst["outcome"] = "skipped"
        return report

    def pytest_runtest_logfinish(self, nodeid):
        self.out.write(json.dumps({**self.worst, "exchanges": exchanges}) + "\n")
        self.out.flush()


def pytest_configure(config):
    config.pluginmanager.register(Recorder())
