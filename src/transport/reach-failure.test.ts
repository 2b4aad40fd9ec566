import { createServer } from "node:net";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { fetchTrustLinks } from "./first-contact.ts";
import { reachFailure } from "./reach-failure.ts";

describe("a server that cannot be reached", () => {
  test.each([
    ["ENOTFOUND", "its name is not known"],
    ["EAI_AGAIN", "its name is not known"],
    ["ETIMEDOUT", "it does not answer"],
    ["EHOSTUNREACH", "no route leads there"],
    ["ERR_SSL_WRONG_VERSION_NUMBER", "it does not speak TLS as we do"],
    ["EWHATEVER", "the connection failed"],
  ])("is told with its reason when the system says %s", (code, reason) => {
    const error = reachFailure(
      { address: "anm", port: 8090 },
      Object.assign(new Error(), { code }),
    );
    expect(error.code).toBe("unreachable");
    expect(error.message).toContain(`anm:8090 cannot be reached: ${reason}; check `);
  });

  test("is told as refusing when nobody listens, and as no TLS when something else does", async () => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.write("220 ready\r\n", () => socket.destroy());
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    onTestFinished(() => void server.close());
    await expect(fetchTrustLinks({ address: "127.0.0.1", port }, 0)).rejects.toThrow(
      /cannot be reached: it (does not speak TLS|ended the connection)/,
    );
    server.close();
    await once(server, "close");
    await expect(fetchTrustLinks({ address: "127.0.0.1", port }, 0)).rejects.toThrow(
      `127.0.0.1:${port} cannot be reached: it refuses the connection`,
    );
  });
});
