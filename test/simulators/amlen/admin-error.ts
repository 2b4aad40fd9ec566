const messages = {
  112: "The value is not valid for the property",
  127: "The value has the wrong type for the property",
  134: "A property that is required has no value",
  137: "The object or value is not one that can be named here",
  138: "The property is not known",
  148: "The cluster member is not inactive",
  372: "The object cannot be deleted",
  382: "The property cannot be changed on a standby",
  384: "The name of the cluster cannot be changed while membership is enabled",
  385: "High availability cannot be disabled on the primary of a clustered pair",
  6001: "The request is not valid JSON",
} as const;

/** A number of Amlen's, as in CWLNA0138. */
export type AdminCode = keyof typeof messages;

/** What the admin endpoint refuses; the texts are not Amlen's. */
export class AdminError extends Error {
  readonly code: string;
  readonly httpStatus: number;

  constructor(code: AdminCode, subject: string) {
    super(`${messages[code]}: ${subject}`);
    this.code = messageCode(code);
    this.httpStatus = code === 372 ? 403 : 400;
  }
}

/** The code of a message: CWLNA and at least four digits. */
export function messageCode(number: number): string {
  return `CWLNA${String(number).padStart(4, "0")}`;
}
