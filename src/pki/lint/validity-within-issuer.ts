import { formatTime } from "../civil-time.ts";
import type { Lint } from "./lint.ts";

export const validityWithinIssuer: Lint = {
  rule: "validity-within-issuer",
  source: "design: a certificate never outlives its issuer's",
  problem({ certificate: { notAfterMs }, issuer }) {
    return issuer === null || notAfterMs <= issuer.notAfterMs
      ? null
      : `it ends ${formatTime(notAfterMs)}, after its issuer's certificate (${formatTime(issuer.notAfterMs)})`;
  },
};
