import { bytesEqual } from "./bytes.ts";
import type { TbsCertificate } from "./certificate.ts";
import { parseIpAddress } from "./ip-address.ts";

/**
 * True if the certificate is for `host`, a DNS name or an IP address, by its alternative names
 * (RFC 9525 6): `*` stands for exactly one whole leftmost label; the common name never counts.
 */
export function certificateIsForHost(certificate: TbsCertificate, host: string): boolean {
  const names = certificate.extensions.subjectAltName ?? [];
  const address = parseIpAddress(host);
  if (address !== null) {
    return names.some((name) => {
      const found = name.type === "ip" ? parseIpAddress(name.value) : null;
      return found !== null && bytesEqual(found, address);
    });
  }
  const wanted = withoutFinalDot(host);
  return names.some(
    (name) => name.type === "dns" && dnsMatches(withoutFinalDot(name.value), wanted),
  );
}

function withoutFinalDot(name: string): string {
  const lower = name.toLowerCase();
  return lower.endsWith(".") ? lower.slice(0, -1) : lower;
}

function dnsMatches(pattern: string, host: string): boolean {
  if (!pattern.startsWith("*.")) return pattern === host;
  const rest = pattern.slice(1);
  const label = host.slice(0, -rest.length);
  return rest.indexOf(".", 1) > 0 && host.endsWith(rest) && label !== "" && !label.includes(".");
}
