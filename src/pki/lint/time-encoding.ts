import { readTime } from "../civil-time.ts";
import { DerReader } from "../der-read.ts";
import { contextConstructed, derTag } from "../der-tags.ts";
import type { Lint } from "./lint.ts";

const year2050Ms = 2_524_608_000_000;

export const timeEncoding: Lint = {
  rule: "time-encoding",
  source: "RFC 5280 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050",
  problem({ certificate }) {
    const reader = new DerReader(certificate.tbs).enter(derTag.sequence);
    reader.enterOptional(contextConstructed(0));
    reader.integer();
    reader.element(derTag.sequence);
    reader.element(derTag.sequence);
    const validity = reader.enter(derTag.sequence);
    while (!validity.atEnd) {
      const isUtcTime = validity.nextTag === derTag.utcTime;
      if (isUtcTime !== readTime(validity) < year2050Ms) return "a date has the wrong encoding";
    }
    return null;
  },
};
