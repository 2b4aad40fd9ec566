import { describe, expect, test } from "vitest";
import { DerReader } from "./der-read.ts";
import * as der from "./der-write.ts";
import { readExtensions } from "./extensions.ts";
import type { Extensions } from "./extensions.ts";
import { oid } from "./oid.ts";

function extension(id: string, value: Uint8Array, critical?: boolean): der.DerNode {
  const criticality = critical === undefined ? [] : [der.boolean(critical)];
  return der.sequence(der.objectIdentifier(id), ...criticality, der.octetString(value));
}

function read(...list: der.DerNode[]): Extensions {
  return readExtensions(new DerReader(der.encode(der.sequence(...list))));
}

const authority = der.encode(der.sequence(der.boolean(true)));

describe("readExtensions", () => {
  test("keeps all extensions in order, understood or not, with what is critical", () => {
    const unknown = Uint8Array.of(0xff);
    const found = read(
      extension("1.2.3", unknown, true),
      extension(oid.basicConstraints, authority),
    );
    expect(found.basicConstraints).toEqual({ isAuthority: true, pathLength: null });
    expect(found.keyUsage).toBeNull();
    expect(found.raw).toEqual([
      { oid: "1.2.3", critical: true, value: unknown },
      { oid: oid.basicConstraints, critical: false, value: authority },
    ]);
  });

  test("refuses an extension that stands there twice, also one that is not understood", () => {
    for (const id of [oid.basicConstraints, "1.2.3"]) {
      expect(() => read(extension(id, authority), extension(id, authority))).toThrow(/twice/);
    }
  });

  test("refuses data behind the value of an extension that is understood", () => {
    const longer = Uint8Array.of(...authority, 5, 0);
    expect(() => read(extension(oid.basicConstraints, longer))).toThrow(/more data/);
    expect(() => read(extension("1.2.3", longer))).not.toThrow();
  });

  test("tells an authority key identifier that also names issuer and serial", () => {
    const keyId = der.primitive(0x80, Uint8Array.of(7));
    const serial = der.primitive(0x82, Uint8Array.of(1));
    const issuer = der.constructed(0xa1, [der.primitive(0x86, Uint8Array.of(0x61))]);
    const readKeyId = (...parts: der.DerNode[]): Extensions["authorityKeyId"] =>
      read(extension(oid.authorityKeyIdentifier, der.encode(der.sequence(...parts))))
        .authorityKeyId;
    const bytes = Uint8Array.of(7);
    expect(readKeyId(keyId)).toEqual({ keyId: bytes, hasIssuerAndSerial: false });
    expect(readKeyId(keyId, issuer, serial)).toEqual({ keyId: bytes, hasIssuerAndSerial: true });
    expect(readKeyId(issuer, serial)).toEqual({ keyId: null, hasIssuerAndSerial: true });
  });

  test("refuses a name constraint of half an address", () => {
    const subtree = der.sequence(der.primitive(0x87, new Uint8Array(4)));
    const value = der.encode(der.sequence(der.constructed(0xa0, [subtree])));
    expect(() => read(extension(oid.nameConstraints, value))).toThrow(/8 or 32 bytes/);
  });
});
