import { once } from "node:events";
import { createServer } from "node:https";
import { createServer as createTcpServer, type AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import type { KnownProcess } from "../../src/domain/index.ts";
import { knownProcess, type TestDomain } from "./test-domain.ts";

/** A server that shows an Admin Node Manager's certificate and answers what it is told to. */
export interface FakeAdmin {
  readonly known: KnownProcess;
  /** Method and path of each request. */
  readonly requests: string[];
  /** Status, body and headers by method and path; what is not there is answered with 404. */
  answers: Readonly<Record<string, readonly [number, unknown, Record<string, string>?]>>;
}

/** Starts one; it ends with the test. */
export async function startFakeAdmin(
  domain: TestDomain,
  number: number,
  answers: FakeAdmin["answers"],
): Promise<FakeAdmin> {
  const hostId = `host-${number}`;
  const credential = await domain.nodeManager(hostId, {
    authorityId: "management-1",
    role: "anm",
  });
  const { keyPem, certificatePem } = credential.identity;
  const requests: string[] = [];
  const server = createServer({ key: keyPem, cert: certificatePem }, (request, response) => {
    const what = `${request.method} ${request.url?.split("?")[0]?.replace("/api/v1", "")}`;
    requests.push(what);
    const [status, body, headers = {}] = fake.answers[what] ?? [404, {}];
    request.resume();
    request.once("end", () =>
      response.writeHead(status, headers).end(status === 204 ? undefined : JSON.stringify(body)),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const known = knownProcess(`nodemanager-${number}`, "anm", hostId, [credential], port);
  const fake: FakeAdmin = { known, requests, answers };
  return fake;
}

/** A port that refuses connections. */
export async function refusingPort(): Promise<number> {
  const server = createTcpServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
