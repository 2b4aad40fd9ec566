import { contextPrimitive } from "./der-tags.ts";
import * as der from "./der-write.ts";
import { keyUsageNames } from "./extensions.ts";
import type { BasicConstraints, KeyUsage } from "./extensions.ts";
import { writeGeneralName } from "./general-name.ts";
import type { GeneralName } from "./general-name.ts";
import { oid } from "./oid.ts";

/** What an issued certificate's extensions say; empty lists and nulls leave the extension out. */
export interface ExtensionContent {
  readonly basicConstraints: BasicConstraints | null;
  readonly keyUsage: readonly KeyUsage[];
  /** Dotted OIDs. */
  readonly extendedKeyUsage: readonly string[];
  readonly subjectAltName: readonly GeneralName[];
  /** RFC 5280 4.2.1.6: critical where the subject is empty. */
  readonly subjectAltNameCritical: boolean;
  readonly subjectKeyId: Uint8Array | null;
  readonly authorityKeyId: Uint8Array | null;
  readonly isProbe: boolean;
}

/** The `Extensions` SEQUENCE (RFC 5280 4.1) for `content`. */
export function writeExtensions(content: ExtensionContent): der.DerNode {
  const list: der.DerNode[] = [];
  const add = (id: string, critical: boolean, value: der.DerNode): void => {
    const criticality = critical ? [der.boolean(true)] : [];
    list.push(der.sequence(der.objectIdentifier(id), ...criticality, der.octetStringOf(value)));
  };
  const { basicConstraints, keyUsage, extendedKeyUsage, subjectAltName } = content;
  if (basicConstraints !== null) {
    add(oid.basicConstraints, true, writeBasicConstraints(basicConstraints));
  }
  if (keyUsage.length > 0) {
    add(oid.keyUsage, true, der.namedBits(keyUsage.map((usage) => keyUsageNames.indexOf(usage))));
  }
  if (extendedKeyUsage.length > 0) {
    add(oid.extendedKeyUsage, false, der.sequence(...extendedKeyUsage.map(der.objectIdentifier)));
  }
  if (content.subjectKeyId !== null) {
    add(oid.subjectKeyIdentifier, false, der.octetString(content.subjectKeyId));
  }
  if (content.authorityKeyId !== null) {
    const keyId = der.primitive(contextPrimitive(0), content.authorityKeyId);
    add(oid.authorityKeyIdentifier, false, der.sequence(keyId));
  }
  if (subjectAltName.length > 0) {
    const names = der.sequence(...subjectAltName.map(writeGeneralName));
    add(oid.subjectAltName, content.subjectAltNameCritical, names);
  }
  if (content.isProbe) add(oid.probeCertificate, false, der.sequence());
  return der.sequence(...list);
}

function writeBasicConstraints({ isAuthority, pathLength }: BasicConstraints): der.DerNode {
  return der.sequence(
    ...(isAuthority ? [der.boolean(true)] : []),
    ...(isAuthority && pathLength !== null ? [der.smallInteger(pathLength)] : []),
  );
}
