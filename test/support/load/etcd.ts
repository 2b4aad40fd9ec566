import { connectHttp, request } from "./http.ts";
import type { Protocol } from "./load.ts";
import type { Wire } from "./wire.ts";

/** Writes keys through etcd's HTTP gateway. */
export function etcd(): Protocol {
  return {
    connect: connectHttp,
    call: async (wire, worker, sequence) => {
      await post(wire, "put", { key: base64(`load/${worker}/${sequence}`), value: base64("1") });
    },
    held: async (wire, worker) => {
      const [key, range_end] = [base64(`load/${worker}/`), base64(`load/${worker}0`)];
      const answer = await post(wire, "range", { key, range_end, keys_only: true });
      const { kvs = [] } = JSON.parse(answer) as { kvs?: { key: string }[] };
      return new Set(kvs.map((each) => Number(atob(each.key).split("/").at(-1))));
    },
  };
}

function post(wire: Wire, what: string, value: unknown): Promise<string> {
  const body = JSON.stringify(value);
  const head = `POST /v3/kv/${what} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}`;
  return request(wire, `${head}\r\n\r\n${body}`);
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
