/** What a write can return. */

export const RETURN_VALUES = ["NONE", "UPDATED_NEW", "UPDATED_OLD", "ALL_NEW", "ALL_OLD"] as const;

/** One of them, in DynamoDB's words. */
export type ReturnValues = (typeof RETURN_VALUES)[number];
