import type { Lint } from "./lint.ts";

export const authorityBits: Lint = {
  rule: "authority-bits",
  source: "RFC 5280 4.2.1.3 and 4.2.1.9",
  problem({ certificate: { extensions } }) {
    const { basicConstraints, keyUsage } = extensions;
    const isAuthority = basicConstraints?.isAuthority === true;
    const mayCertify = keyUsage?.includes("keyCertSign") === true;
    if (isAuthority !== mayCertify) return "the CA bit and keyCertSign do not go together";
    if (!isAuthority && (basicConstraints?.pathLength ?? null) !== null) {
      return "it has a path length and is not an authority";
    }
    if (keyUsage === null) return "the key usage is missing";
    return null;
  },
};
