/** The DER tags that X.509 uses (X.690 8.1.2), as their one identifier octet. */
export const derTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

/** `[number]` of a simple type: the content follows at once. */
export function contextPrimitive(number: number): number {
  return 0x80 | number;
}

/** `[number]` that contains other elements. */
export function contextConstructed(number: number): number {
  return 0xa0 | number;
}

/** The name of a tag for a message. */
export function tagName(tag: number): string {
  for (const [name, value] of Object.entries(derTag)) if (value === tag) return name;
  return (tag & 0xc0) === 0x80 ? `[${tag & 0x1f}]` : `tag 0x${tag.toString(16).padStart(2, "0")}`;
}
