// Drives DynamoDB with the AWS SDK for Java 2 through the steps of report.ts.
// Arguments: endpoint, createEndpoint, region, accessKeyId, secretAccessKey, table. Prints one JSON report.

import java.net.URI;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.interceptor.Context;
import software.amazon.awssdk.core.interceptor.ExecutionAttributes;
import software.amazon.awssdk.core.interceptor.ExecutionInterceptor;
import software.amazon.awssdk.core.util.VersionInfo;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.dynamodb.DynamoDbClient;
import software.amazon.awssdk.services.dynamodb.model.*;

public class JavaClient {
  static final AtomicInteger sent = new AtomicInteger();
  static final Map<String, String> steps = new LinkedHashMap<>();
  static final Map<String, Integer> attempts = new LinkedHashMap<>();

  public static void main(String[] args) {
    String table = args[5];
    DynamoDbClient db = connect(args[0], args);
    DynamoDbClient creator = connect(args[1], args);

    step("create_table", () -> text(creator.createTable(r -> r.tableName(table).billingMode(BillingMode.PAY_PER_REQUEST)
        .attributeDefinitions(attribute("pk", "S"), attribute("sk", "N"), attribute("status", "S"))
        .keySchema(keyPart("pk", "HASH"), keyPart("sk", "RANGE"))
        .globalSecondaryIndexes(i -> i.indexName("by-status").keySchema(keyPart("status", "HASH"))
            .projection(p -> p.projectionType(ProjectionType.ALL))))
        .tableDescription().tableStatusAsString()));
    step("wait_exists", () -> {
      db.waiter().waitUntilTableExists(r -> r.tableName(table));
      return text(db.describeTable(r -> r.tableName(table)).table().tableStatusAsString());
    });
    step("describe_table", () -> {
      TableDescription described = db.describeTable(r -> r.tableName(table)).table();
      return "{\"keys\":" + list(described.keySchema().stream().map(KeySchemaElement::attributeName).toList())
          + ",\"indexes\":" + list(described.globalSecondaryIndexes().stream().map(i -> i.indexName()).toList()) + "}";
    });
    step("put_item", () -> {
      Map<String, AttributeValue> item = new TreeMap<>(key(1, "ada"));
      item.put("status", s("open"));
      item.put("total", n("12.50"));
      db.putItem(r -> r.tableName(table).item(item));
      return "true";
    });
    step("get_item", () -> plain(db.getItem(r -> r.tableName(table).key(key(1, "ada")).consistentRead(true))));
    step("get_absent", () -> plain(db.getItem(r -> r.tableName(table).key(key(1, "nobody")))));
    step("update_item", () -> text(db.updateItem(r -> r.tableName(table).key(key(1, "ada")).updateExpression("SET #s = :s")
        .expressionAttributeNames(Map.of("#s", "status")).expressionAttributeValues(Map.of(":s", s("paid")))
        .returnValues(ReturnValue.UPDATED_NEW)).attributes().get("status").s()));
    step("put_condition_fails", () -> {
      db.putItem(r -> r.tableName(table).item(key(1, "ada")).conditionExpression("attribute_not_exists(pk)"));
      return "true";
    });
    step("batch_write", () -> {
      List<WriteRequest> puts = IntStream.range(2, 27).mapToObj(number -> {
        Map<String, AttributeValue> item = new TreeMap<>(key(number, "ada"));
        item.put("text", s("x".repeat(400)));
        return WriteRequest.builder().putRequest(p -> p.item(item)).build();
      }).toList();
      db.batchWriteItem(r -> r.requestItems(Map.of(table, puts)));
      return "25";
    });
    step("batch_get", () -> list(db.batchGetItem(r -> r.requestItems(Map.of(table,
        KeysAndAttributes.builder().keys(List.of(key(1, "ada"), key(3, "ada"), key(999, "ada"))).build())))
        .responses().get(table).stream().map(item -> item.get("sk").n()).sorted().toList()));
    step("query", () -> list(db.query(r -> ada(r, table).limit(3)).items().stream().map(item -> item.get("sk").n()).toList()));
    step("query_index", () -> String.valueOf(db.query(r -> r.tableName(table).indexName("by-status")
        .keyConditionExpression("#s = :s").expressionAttributeNames(Map.of("#s", "status"))
        .expressionAttributeValues(Map.of(":s", s("paid")))).count()));
    step("query_pages", () -> {
      List<Integer> counts = new ArrayList<>();
      db.queryPaginator(r -> ada(r, table).limit(10)).forEach(page -> {
        if (page.count() > 0) counts.add(page.count());
      });
      return counts.toString();
    });
    step("scan_large", () -> String.valueOf(db.scan(r -> r.tableName(table)).items().size()));
    step("transact_write", () -> {
      db.transactWriteItems(r -> r.transactItems(put(table, 100, null), put(table, 101, null)));
      return "true";
    });
    step("transact_get", () -> list(db.transactGetItems(r -> r.transactItems(
        TransactGetItem.builder().get(g -> g.tableName(table).key(key(100, "tx"))).build(),
        TransactGetItem.builder().get(g -> g.tableName(table).key(key(101, "tx"))).build()))
        .responses().stream().map(answer -> answer.item().get("sk").n()).toList()));
    step("transact_cancelled", () -> {
      db.transactWriteItems(r -> r.transactItems(put(table, 100, "attribute_not_exists(pk)")));
      return "true";
    });
    step("partiql_insert", () -> {
      db.executeStatement(r -> r.statement("INSERT INTO \"" + table + "\" VALUE {'pk': 'ql', 'sk': ?, 'text': 'partiql'}").parameters(n("1")));
      return "true";
    });
    step("partiql_select", () -> text(db.executeStatement(r -> r.statement("SELECT text FROM \"" + table + "\" WHERE pk = ? AND sk = 1")
        .parameters(s("ql"))).items().get(0).get("text").s()));
    step("partiql_absent_table", () -> {
      db.executeStatement(r -> r.statement("SELECT * FROM \"" + table + "-absent\" WHERE pk = 'a'"));
      return "true";
    });
    step("absent_table", () -> plain(db.getItem(r -> r.tableName(table + "-absent").key(key(1, "ada")))));
    step("invalid", () -> plain(db.getItem(r -> r.tableName(table).key(Map.of("wrong", s("x"))))));
    step("delete_item", () -> {
      db.deleteItem(r -> r.tableName(table).key(key(1, "ql")));
      return "true";
    });
    step("list_tables", () -> String.valueOf(db.listTablesPaginator().tableNames().stream().anyMatch(table::equals)));
    step("delete_table", () -> {
      db.deleteTable(r -> r.tableName(table));
      return "true";
    });

    System.out.println("{\"client\":\"java-sdk\",\"version\":" + text(VersionInfo.SDK_VERSION) + ",\"steps\":" + object(steps)
        + ",\"attempts\":" + object(attempts) + "}");
  }

  static DynamoDbClient connect(String endpoint, String[] args) {
    return DynamoDbClient.builder().endpointOverride(URI.create(endpoint)).region(Region.of(args[2]))
        .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create(args[3], args[4])))
        .httpClient(UrlConnectionHttpClient.create())
        .overrideConfiguration(c -> c.addExecutionInterceptor(new ExecutionInterceptor() {
          @Override
          public void beforeTransmission(Context.BeforeTransmission context, ExecutionAttributes attributes) {
            sent.incrementAndGet();
          }
        })).build();
  }

  static void step(String name, Callable<String> act) {
    sent.set(0);
    try {
      steps.put(name, "{\"value\":" + act.call() + "}");
    } catch (AwsServiceException error) {
      String code = error.awsErrorDetails() == null ? error.getClass().getSimpleName() : error.awsErrorDetails().errorCode();
      String message = error.awsErrorDetails() == null ? error.getMessage() : error.awsErrorDetails().errorMessage();
      steps.put(name, "{\"error\":" + text(code) + ",\"message\":" + text(message) + ",\"status\":" + error.statusCode() + "}");
    } catch (Exception error) {
      steps.put(name, "{\"error\":" + text(error.getClass().getSimpleName()) + ",\"message\":" + text(error.getMessage()) + ",\"status\":null}");
    }
    attempts.put(name, sent.get());
  }

  static TransactWriteItem put(String table, int number, String condition) {
    return TransactWriteItem.builder().put(p -> p.tableName(table).item(key(number, "tx")).conditionExpression(condition)).build();
  }

  static QueryRequest.Builder ada(QueryRequest.Builder request, String table) {
    return request.tableName(table).keyConditionExpression("pk = :pk").expressionAttributeValues(Map.of(":pk", s("ada")));
  }

  static AttributeDefinition attribute(String name, String type) {
    return AttributeDefinition.builder().attributeName(name).attributeType(type).build();
  }

  static KeySchemaElement keyPart(String name, String type) {
    return KeySchemaElement.builder().attributeName(name).keyType(type).build();
  }

  static Map<String, AttributeValue> key(int number, String pk) {
    return Map.of("pk", s(pk), "sk", n(String.valueOf(number)));
  }

  static AttributeValue s(String value) {
    return AttributeValue.builder().s(value).build();
  }

  static AttributeValue n(String value) {
    return AttributeValue.builder().n(value).build();
  }

  static String plain(GetItemResponse answer) {
    if (!answer.hasItem()) return "null";
    Map<String, String> item = new TreeMap<>();
    answer.item().forEach((name, value) -> item.put(name, text(value.s() == null ? value.n() : value.s())));
    return object(item);
  }

  static String object(Map<String, ?> map) {
    return map.entrySet().stream().map(e -> text(e.getKey()) + ":" + e.getValue()).collect(Collectors.joining(",", "{", "}"));
  }

  static String list(List<String> values) {
    return values.stream().map(JavaClient::text).collect(Collectors.joining(",", "[", "]"));
  }

  static String text(String value) {
    if (value == null) return "null";
    StringBuilder quoted = new StringBuilder("\"");
    for (char c : value.toCharArray()) {
      if (c == '"' || c == '\\' || c < ' ') quoted.append(String.format("\\u%04x", (int) c));
      else quoted.append(c);
    }
    return quoted.append('"').toString();
  }
}
