import { bytesEqual } from "../bytes.ts";
import type { Lint } from "./lint.ts";

export const authorityKeyId: Lint = {
  rule: "authority-key-id",
  source: "RFC 5280 4.2.1.1; design: the key identifier only",
  problem({ certificate, issuer }) {
    const found = certificate.extensions.authorityKeyId;
    if (found === null || found.keyId === null) return "the authority key identifier is missing";
    if (found.hasIssuerAndSerial) return "the authority key identifier names issuer and serial";
    const wanted = (issuer ?? certificate).extensions.subjectKeyId;
    return wanted === null || bytesEqual(found.keyId, wanted)
      ? null
      : "the authority key identifier is not the issuer's subject key identifier";
  },
};
