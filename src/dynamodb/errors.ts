/** The errors that the gateway answers with by itself, in the exact form in which AWS's SDKs expect them. */

interface ErrorForm {
  readonly status: number;
  readonly namespace: string;
  /** AWS spells this member differently from service layer to service layer. */
  readonly text: "Message" | "message";
}

const SERVICE = "com.amazon.coral.service";
const DYNAMODB = "com.amazonaws.dynamodb.v20120810";

/**
 * Every type we emit. SDKs never retry those with status 4xx here; they retry 500 and 503 by status alone (botocore's
 * standard mode, JavaScript v3 and Java v2 all count 500, 502, 503 and 504 as transient).
 */
export const ERROR_TYPES = {
  AccessDeniedException: { status: 400, namespace: SERVICE, text: "Message" },
  ExpiredTokenException: { status: 400, namespace: SERVICE, text: "message" },
  MissingAuthenticationTokenException: { status: 400, namespace: SERVICE, text: "message" },
  IncompleteSignatureException: { status: 400, namespace: SERVICE, text: "message" },
  InvalidSignatureException: { status: 400, namespace: SERVICE, text: "message" },
  UnrecognizedClientException: { status: 400, namespace: SERVICE, text: "message" },
  ValidationException: { status: 400, namespace: "com.amazon.coral.validate", text: "message" },
  SerializationException: { status: 400, namespace: SERVICE, text: "Message" },
  UnknownOperationException: { status: 400, namespace: SERVICE, text: "message" },
  RequestEntityTooLarge: { status: 413, namespace: SERVICE, text: "message" },
  InternalServerError: { status: 500, namespace: DYNAMODB, text: "message" },
  ServiceUnavailable: { status: 503, namespace: DYNAMODB, text: "message" },
} as const satisfies Readonly<Record<string, ErrorForm>>;

export type ErrorType = keyof typeof ERROR_TYPES;

/** Status and JSON body of an error. The message is for the client: no stack, no secret, no word of STS. */
export function errorAnswer(type: ErrorType, message: string): { status: number; body: string } {
  const form: ErrorForm = ERROR_TYPES[type];
  return {
    status: form.status,
    body: JSON.stringify({ __type: `${form.namespace}#${type}`, [form.text]: message }),
  };
}
