import { formatTime } from "../civil-time.ts";
import type { Lint } from "./lint.ts";

export const validityOrder: Lint = {
  rule: "validity-order",
  source: "RFC 5280 4.1.2.5",
  problem({ certificate: { notBeforeMs, notAfterMs } }) {
    return notBeforeMs < notAfterMs
      ? null
      : `it ends (${formatTime(notAfterMs)}) before it begins (${formatTime(notBeforeMs)})`;
  },
};
