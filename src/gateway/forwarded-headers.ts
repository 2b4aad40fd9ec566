/** Header fields as Node.js has them in `rawHeaders`: name, value, name, value. */
export type RawHeaders = readonly string[];

/**
 * Meant for one connection only (RFC 9110 7.6.1). `trailer` goes too, since trailers are not
 * forwarded, and `expect`, since it has been answered here.
 */
const hopByHop: ReadonlySet<string> = new Set([
  "connection",
  "expect",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** How we are named in Via (RFC 9110 7.6.3): a pseudonym, so that callers do not learn of hosts. */
const viaName = "gatehouse";

export interface Caller {
  /** IP address of the connection's other end. */
  readonly address: string;
  /** Host header as the caller sent it. */
  readonly host: string | undefined;
}

/**
 * The headers of the request to `upstreamHost` (`host:port`). Who called, how and under which name
 * is appended to what earlier proxies said, or said anew where only the last word counts.
 */
export function requestHeaders(raw: RawHeaders, caller: Caller, upstreamHost: string): string[] {
  const { kept, values } = endToEnd(raw, [
    "host",
    "via",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
  ]);
  const plainAddress = caller.address.replace(/^::ffff:(?=\d+\.)/, "");
  return [
    "Host",
    upstreamHost,
    ...kept,
    "Via",
    [...values("via"), `1.1 ${viaName}`].join(", "),
    "X-Forwarded-For",
    [...values("x-forwarded-for"), plainAddress].join(", "),
    "X-Forwarded-Proto",
    "https",
    ...(caller.host === undefined ? [] : ["X-Forwarded-Host", caller.host]),
  ];
}

/** The headers of the answer to the caller. */
export function responseHeaders(raw: RawHeaders): string[] {
  const { kept, values } = endToEnd(raw, ["via"]);
  return [...kept, "Via", [...values("via"), `1.1 ${viaName}`].join(", ")];
}

/** Removes what is hop-by-hop, named by `Connection`, or in `replaced`, whose old values it keeps. */
function endToEnd(
  raw: RawHeaders,
  replaced: readonly string[],
): { kept: string[]; values: (name: string) => string[] } {
  const named = valuesOf(raw, "connection").flatMap((value) =>
    value.split(",").map((name) => name.trim().toLowerCase()),
  );
  // Content-Length frames the message: a caller must not be able to have it removed.
  const removed = new Set([...named.filter((name) => name !== "content-length"), ...hopByHop]);
  const kept: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? "";
    const lower = name.toLowerCase();
    if (!removed.has(lower) && !replaced.includes(lower)) kept.push(name, raw[i + 1] ?? "");
  }
  const values = (name: string): string[] => (named.includes(name) ? [] : valuesOf(raw, name));
  return { kept, values };
}

function valuesOf(raw: RawHeaders, name: string): string[] {
  return raw.filter((_value, i) => i % 2 === 1 && raw[i - 1]?.toLowerCase() === name);
}
