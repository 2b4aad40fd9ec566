import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { requestHeaders, responseHeaders } from "./forwarded-headers.ts";

const caller = { address: "192.0.2.7", host: "api.example:8443" };

function toMap(raw: string[]): Record<string, string[]> {
  const map: Record<string, string[]> = {};
  raw.forEach((value, i) => {
    if (i % 2 === 1) (map[(raw[i - 1] ?? "").toLowerCase()] ??= []).push(value);
  });
  return map;
}

describe("requestHeaders", () => {
  it("says who called when there was no proxy before", () => {
    const headers = toMap(requestHeaders(["Host", "api.example:8443", "X", "1"], caller, "u:80"));
    expect(headers).toEqual({
      host: ["u:80"],
      x: ["1"],
      via: ["1.1 gatehouse"],
      "x-forwarded-for": ["192.0.2.7"],
      "x-forwarded-proto": ["https"],
      "x-forwarded-host": ["api.example:8443"],
    });
  });

  it("appends to what earlier proxies said, and replaces what a caller claims", () => {
    const raw = [
      "Via",
      "1.0 a",
      "via",
      "1.1 b",
      "X-Forwarded-For",
      "198.51.100.1",
      "X-Forwarded-Proto",
      "http",
      "X-Forwarded-Host",
      "evil",
    ];
    const headers = toMap(requestHeaders(raw, caller, "u:80"));
    expect(headers["via"]).toEqual(["1.0 a, 1.1 b, 1.1 gatehouse"]);
    expect(headers["x-forwarded-for"]).toEqual(["198.51.100.1, 192.0.2.7"]);
    expect(headers["x-forwarded-proto"]).toEqual(["https"]);
    expect(headers["x-forwarded-host"]).toEqual(["api.example:8443"]);
  });

  it("writes an IPv4 address plainly when the socket is a dual one", () => {
    const headers = toMap(requestHeaders([], { ...caller, address: "::ffff:10.0.0.1" }, "u"));
    expect(headers["x-forwarded-for"]).toEqual(["10.0.0.1"]);
  });

  it("removes hop-by-hop fields and those that Connection names, never the content length", () => {
    const raw = [
      "Connection",
      "close, X-Private",
      "connection",
      "Content-Length",
      "X-Private",
      "1",
      "Content-Length",
      "5",
      "TE",
      "trailers",
      "Keep-Alive",
      "1",
      "Upgrade",
      "h2c",
      "Transfer-Encoding",
      "chunked",
      "Expect",
      "100-continue",
      "Proxy-Connection",
      "x",
      "Trailer",
      "a",
      "Cookie",
      "c",
    ];
    const headers = toMap(requestHeaders(raw, caller, "u"));
    expect(Object.keys(headers).sort()).toEqual([
      "content-length",
      "cookie",
      "host",
      "via",
      "x-forwarded-for",
      "x-forwarded-host",
      "x-forwarded-proto",
    ]);
  });

  it("keeps every other field as often as it stands there, in order", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom("A", "b", "Set-Cookie"), fc.string())),
        (fields) => {
          const raw = requestHeaders(fields.flat(), caller, "u").slice(2);
          expect(raw.slice(0, fields.length * 2)).toEqual(fields.flat());
        },
      ),
    );
  });
});

describe("responseHeaders", () => {
  it("keeps repeated cookies and removes what belongs to the upstream's connection", () => {
    const raw = [
      "Set-Cookie",
      "a=1",
      "Set-Cookie",
      "b=2",
      "Connection",
      "keep-alive",
      "Keep-Alive",
      "timeout=5",
      "Content-Length",
      "3",
    ];
    expect(responseHeaders(raw)).toEqual([
      "Set-Cookie",
      "a=1",
      "Set-Cookie",
      "b=2",
      "Content-Length",
      "3",
      "Via",
      "1.1 gatehouse",
    ]);
  });
});
