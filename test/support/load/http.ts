import type { Protocol } from "./load.ts";
import { Wire } from "./wire.ts";

interface HttpAnswer {
  readonly status: number;
  readonly body: string;
  /** The server announces that it closes the connection. */
  readonly isLast: boolean;
}

/** GET over HTTP/1.1 with kept connections; every status but 200 is a failure. */
export function http({ path = "/", host = "localhost" } = {}): Protocol {
  return {
    connect: connectHttp,
    call: async (wire) => {
      await request(wire, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    },
  };
}

export const connectHttp: Protocol["connect"] = async (target, tls) => {
  const wire = await Wire.open(target);
  if (tls !== null) await wire.startTls(tls);
  return wire;
};

/** Sends a request as it is, and reads its answer, whose length must be said or whose body chunked. */
export async function request(wire: Wire, text: string): Promise<string> {
  wire.send(text);
  const { status, body, isLast } = await wire.read(httpAnswer);
  if (isLast) wire.close();
  if (status !== 200) throw new Error(`status ${status}: ${body.slice(0, 200)}`);
  return body;
}

function httpAnswer(bytes: Buffer): { message: HttpAnswer; length: number } | null {
  const head = bytes.indexOf("\r\n\r\n");
  if (head < 0) return null;
  const text = bytes.toString("latin1", 0, head);
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1]);
  const isLast = /^connection: *close/im.test(text);
  const start = head + 4;
  if (/^transfer-encoding: *chunked/im.test(text)) {
    const found = chunked(bytes, start);
    return found && { message: { status, isLast, body: found.body }, length: found.length };
  }
  const length = Number(/^content-length: *(\d+)/im.exec(text)?.[1] ?? 0);
  if (bytes.length < start + length) return null;
  const body = bytes.toString("utf8", start, start + length);
  return { message: { status, isLast, body }, length: start + length };
}

function chunked(bytes: Buffer, start: number): { body: string; length: number } | null {
  let [at, body] = [start, ""];
  for (;;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd < 0) return null;
    const size = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    const end = lineEnd + 2 + size;
    if (bytes.length < end + 2) return null;
    body += bytes.toString("utf8", lineEnd + 2, end);
    at = end + 2;
    if (size === 0) return { body, length: at };
  }
}
