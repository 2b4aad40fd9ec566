import { DomainError } from "../kit/index.ts";
import { asciiEncode, latin1Decode } from "./characters.ts";
import type { DerReader } from "./der-read.ts";
import { contextConstructed, contextPrimitive, derTag } from "./der-tags.ts";
import * as der from "./der-write.ts";
import { formatIpAddress, parseIpAddress } from "./ip-address.ts";
import { parseName } from "./name.ts";
import type { Name } from "./name.ts";

/** A GeneralName (RFC 5280 4.2.1.6). An `ip` is written as usual: 10.0.0.1, 2001:db8::1. */
export type GeneralName =
  | { readonly type: "dns" | "ip" | "email" | "uri"; readonly value: string }
  | { readonly type: "directory"; readonly name: Name }
  | { readonly type: "other"; readonly der: Uint8Array };

const textTags = {
  email: contextPrimitive(1),
  dns: contextPrimitive(2),
  uri: contextPrimitive(6),
} as const;
const directoryTag = contextConstructed(4);
const ipTag = contextPrimitive(7);

/** Reads one GeneralName from `reader`. */
export function readGeneralName(reader: DerReader): GeneralName {
  const tag = reader.nextTag;
  switch (tag) {
    case textTags.email:
      return { type: "email", value: latin1Decode(reader.content(tag)) };
    case textTags.dns:
      return { type: "dns", value: latin1Decode(reader.content(tag)) };
    case textTags.uri:
      return { type: "uri", value: latin1Decode(reader.content(tag)) };
    case directoryTag: {
      const inner = reader.enter(tag);
      const name = parseName(inner.element(derTag.sequence));
      inner.finish();
      return { type: "directory", name };
    }
    case ipTag: {
      const value = formatIpAddress(reader.content(tag));
      if (value !== null) return { type: "ip", value };
      throw new DomainError("invalid-input", "an IP address in the data is not of 4 or 16 bytes");
    }
    default:
      return { type: "other", der: reader.element() };
  }
}

/** The element for `name`; a DomainError `invalid-name` where its value is not of its type. */
export function writeGeneralName(name: GeneralName): der.DerNode {
  switch (name.type) {
    case "other":
      return der.raw(name.der);
    case "directory":
      return der.constructed(directoryTag, [der.raw(name.name.der)]);
    case "ip": {
      const address = parseIpAddress(name.value);
      if (address !== null) return der.primitive(ipTag, address);
      throw new DomainError("invalid-name", `"${name.value}" is not an IP address`);
    }
    case "dns":
      if (!isDnsName(name.value)) {
        throw new DomainError("invalid-name", `"${name.value}" is not a DNS name`);
      }
      break;
    case "uri":
      if (!/^[A-Za-z][A-Za-z0-9+.-]*:[!-~]+$/.test(name.value)) {
        throw new DomainError("invalid-name", `"${name.value}" is not a URI`);
      }
      break;
    case "email":
      if (!/^[!-?A-~]+@[!-?A-~]+$/.test(name.value)) {
        throw new DomainError("invalid-name", `"${name.value}" is not an e-mail address`);
      }
  }
  return der.primitive(textTags[name.type], asciiEncode(name.value, `a ${name.type} name`));
}

/** A host name (RFC 1123 2.1, underscores tolerated), perhaps with `*` as its first label. */
function isDnsName(text: string): boolean {
  const labels = (text.startsWith("*.") ? text.slice(2) : text).split(".");
  return (
    text.length <= 253 &&
    labels.every((label) => /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/.test(label))
  );
}

/** `DNS:host-1`, `IP:10.0.0.1`, `URI:...`, `email:...`: as OpenSSL writes alternative names. */
export function formatGeneralName(name: GeneralName): string {
  switch (name.type) {
    case "directory":
      return "DirName";
    case "other":
      return "othername";
    case "email":
      return `email:${name.value}`;
    default:
      return `${name.type.toUpperCase()}:${name.value}`;
  }
}

/**
 * Reads what OpenSSL and managedomain accept as an alternative name: `DNS:host-1`, `DNS.1=host-1`,
 * `IP.2=10.0.0.1`, `URI:...`, `email.0=...`. A DomainError `invalid-name` for anything else.
 */
export function parseGeneralNameText(text: string): GeneralName {
  const match = /^\s*(dns|ip|uri|email)(?:\.[0-9]+)?\s*[:=]\s*(\S+)\s*$/i.exec(text);
  const type = match?.[1]?.toLowerCase();
  const value = match?.[2];
  if (
    (type !== "dns" && type !== "ip" && type !== "uri" && type !== "email") ||
    value === undefined
  ) {
    throw new DomainError(
      "invalid-name",
      `"${text}" is not an alternative name like DNS.1=host, IP.1=10.0.0.1, URI:... or email:...`,
    );
  }
  const name: GeneralName = { type, value };
  writeGeneralName(name);
  return name;
}
