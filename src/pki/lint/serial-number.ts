import type { Lint } from "./lint.ts";

const octetsMin = 8;
const octetsMax = 20;

export const serialNumber: Lint = {
  rule: "serial-number",
  source: "RFC 5280 4.1.2.2, CA/Browser Forum BR 7.1 (64 random bits)",
  problem({ certificate: { serial } }) {
    const first = serial[0] ?? 0x80;
    if (first >= 0x80 || serial.every((octet) => octet === 0)) return "the serial is not positive";
    if (serial.length < octetsMin) return `the serial has fewer than ${octetsMin * 8} bits`;
    if (serial.length > octetsMax) return `the serial is longer than ${octetsMax} octets`;
    if (new Set(serial).size < octetsMin / 2) return "the serial is not random";
    return null;
  },
};
