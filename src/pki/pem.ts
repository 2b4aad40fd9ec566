import { DomainError } from "../kit/index.ts";
import { base64Decode, base64Encode } from "./base64.ts";

/** One block of a PEM file (RFC 7468). */
export interface PemBlock {
  /** `CERTIFICATE`, `CERTIFICATE REQUEST`, `PRIVATE KEY` ... */
  readonly label: string;
  readonly bytes: Uint8Array;
}

const block = /-----BEGIN ([A-Z0-9 .]+)-----([^-]*)-----END ([A-Z0-9 .]+)-----/g;

/**
 * Every block in `text`, in order; what stands between blocks is skipped (RFC 7468 section 2). A
 * DomainError `invalid-input` if a block is broken. No block at all is an empty list.
 */
export function decodePem(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  for (const [, label = "", body = "", endLabel = ""] of text.matchAll(block)) {
    const bytes = label === endLabel ? base64Decode(body) : null;
    if (bytes === null) {
      throw new DomainError("invalid-input", `the PEM block "${label}" is damaged; copy it again`);
    }
    blocks.push({ label, bytes });
  }
  const begins = text.match(/-----BEGIN [^\n-]*-----/g)?.length ?? 0;
  if (begins !== blocks.length) {
    throw new DomainError("invalid-input", "a PEM block is damaged or cut off; copy it again");
  }
  return blocks;
}

/**
 * The bytes of the only block in `text` that has one of `labels`; a DomainError `invalid-input`
 * naming `what` if there is none, or more than one.
 */
export function decodeOnePem(text: string, labels: readonly string[], what: string): Uint8Array {
  const found = decodePem(text).filter((each) => labels.includes(each.label));
  const [only] = found;
  if (only === undefined || found.length > 1) {
    const problem = only === undefined ? "has no" : "has more than one";
    throw new DomainError(
      "invalid-input",
      `${what} ${problem} PEM block "${labels.join('" or "')}"`,
    );
  }
  return only.bytes;
}

/** `bytes` as one PEM block with lines of 64 characters and a line break at the end. */
export function encodePem(label: string, bytes: Uint8Array): string {
  const lines = base64Encode(bytes).match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
