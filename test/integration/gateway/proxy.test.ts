import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import { expect, test } from "vitest";
import { defaultLimits } from "../../../src/gateway/index.ts";
import { freePort } from "../../support/free-port.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { dnsName, makeSite, route, Running, shown, upstream } from "./fixture.ts";

const deadlineMs = 10_000;
const refusedOrigin = async (): Promise<string> => `http://127.0.0.1:${await freePort()}`;

test("the services port passes a request and its answer on when a route takes it", async () => {
  const { origin } = await upstream((request, response) => {
    response.writeHead(201, { "set-cookie": ["a=1", "b=2"], "x-answer": "yes" });
    response.end(JSON.stringify({ url: request.url, headers: request.headers }));
  });
  const running = await Running.start(await makeSite([route([origin], { pathPrefix: "/api" })]));
  const answer = await running.client().get("/api/x?y=1", {
    headers: { te: "trailers", "x-own": "1", "x-forwarded-for": "198.51.100.1" },
  });
  expect(answer.status).toBe(201);
  expect(answer.headers).toMatchObject({
    "set-cookie": ["a=1", "b=2"],
    "x-answer": "yes",
    via: "1.1 gatehouse",
  });
  const seen = JSON.parse(answer.body) as { url: string; headers: Record<string, string> };
  expect(seen.url).toBe("/api/x?y=1");
  expect(seen.headers).toMatchObject({
    host: origin.slice("http://".length),
    via: "1.1 gatehouse",
    "x-own": "1",
    "x-forwarded-for": "198.51.100.1, 127.0.0.1",
    "x-forwarded-proto": "https",
    "x-forwarded-host": dnsName,
  });
  expect(seen.headers).not.toHaveProperty("te");
});

test("the services port answers a short problem when no route takes the request", async () => {
  const running = await Running.start(
    await makeSite([route([await refusedOrigin()], { host: "other.example" })]),
  );
  const answer = await running.client().get("/");
  expect(answer.status).toBe(404);
  expect(answer.headers["content-type"]).toBe("application/problem+json");
  expect(JSON.parse(answer.body)).toMatchObject({ status: 404, code: "not-found" });
});

test("the services port streams a large body both ways without holding it back", async () => {
  const { origin } = await upstream((request, response) => void request.pipe(response));
  const running = await Running.start(await makeSite([route([origin])]));
  const body = Buffer.alloc(20 * 1024 * 1024, "0123456789abcdef");
  const answer = await running.client().get("/", { method: "POST", body });
  expect(answer.status).toBe(200);
  expect(answer.body === body.toString("utf8")).toBe(true);
});

test("the services port lets parts of an answer through before the answer is complete", async () => {
  let finish: () => void = () => undefined;
  const { origin } = await upstream((_request, response) => {
    response.write("first");
    finish = () => response.end("last");
  });
  const running = await Running.start(await makeSite([route([origin])]));
  const socket = await connected(running);
  socket.write(`GET / HTTP/1.1\r\nHost: ${dnsName}\r\n\r\n`);
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  await waitUntil(() => text.includes("first"), { deadlineMs, what: "the first part" });
  expect(text).not.toContain("last");
  finish();
  await waitUntil(() => text.includes("last"), { deadlineMs, what: "the last part" });
  socket.destroy();
});

async function connected(running: Running): Promise<TLSSocket> {
  const socket = connect({
    host: "127.0.0.1",
    port: running.servicesPort,
    servername: dnsName,
    ca: running.site.domain.caPem("traffic-1"),
  });
  await once(socket, "secureConnect");
  return socket;
}

test("the services port refuses a body over the limit, announced or not", async () => {
  let completed = 0;
  const { origin } = await upstream((request, response) => {
    request.resume().once("end", () => {
      completed += 1;
      response.end();
    });
    request.on("error", () => undefined);
  });
  const limits = { ...defaultLimits, bodyBytesMax: 1000 };
  const running = await Running.start(await makeSite([route([origin])]), { limits });
  const body = Buffer.alloc(1001);
  const announced = await running.client().get("/", { method: "POST", body });
  expect(announced.status).toBe(413);
  const headers = { "transfer-encoding": "chunked" };
  const chunked = await running.client().get("/", { method: "POST", body, headers });
  expect(chunked.status).toBe(413);
  expect(completed).toBe(0);
  const small = await running.client().get("/", { method: "POST", body: body.subarray(1) });
  expect(small.status).toBe(200);
});

test("the services port refuses headers over the limit", async () => {
  const running = await Running.start(await makeSite());
  const answer = await running.client().get("/", { headers: { "x-large": "x".repeat(40_000) } });
  expect(answer.status).toBe(431);
});

test("the services port refuses a path with dot segments and a second Host header", async () => {
  const running = await Running.start(await makeSite([route([await refusedOrigin()])]));
  expect((await running.client().get("/a/%2e%2e/b")).status).toBe(400);
  const socket = await connected(running);
  socket.write("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n");
  const [head] = (await once(socket, "data")) as [Buffer];
  expect(head.toString("latin1")).toContain("400 Bad Request");
  socket.destroy();
});

test("requests go to the upstreams in turn, and to the rest without a failure when one ends", async () => {
  const servers = await Promise.all(
    ["a", "b", "c"].map((name) => upstream((_request, response) => void response.end(name))),
  );
  const running = await Running.start(await makeSite([route(servers.map(({ origin }) => origin))]));
  const client = running.client();
  const ask = async (count: number): Promise<string[]> => {
    const bodies: string[] = [];
    for (let i = 0; i < count; i++) {
      const answer = await client.get("/");
      expect(answer.status).toBe(200);
      bodies.push(answer.body);
    }
    return bodies.sort();
  };
  expect(await ask(6)).toEqual(["a", "a", "b", "b", "c", "c"]);
  const [, second] = servers;
  if (second === undefined) throw new Error("three servers were made");
  await second.close();
  expect(new Set(await ask(6))).toEqual(new Set(["a", "c"]));
  await upstream((_request, response) => void response.end("b"), second.port);
  await waitUntil(async () => (await client.get("/")).body === "b", {
    deadlineMs,
    what: "it is back",
  });
});

test("a request with a body reaches the next upstream when the first cannot be connected to", async () => {
  const { origin } = await upstream((request, response) => void request.pipe(response));
  const running = await Running.start(await makeSite([route([await refusedOrigin(), origin])]));
  for (let i = 0; i < 3; i++) {
    const answer = await running.client().get("/", { method: "POST", body: `body ${i}` });
    expect(answer).toMatchObject({ status: 200, body: `body ${i}` });
  }
});

test("an upstream whose health path does not answer 2xx is passed over until it does", async () => {
  let well = false;
  const sick = await upstream((request, response) => {
    response.statusCode = request.url === "/health" && !well ? 500 : 200;
    response.end("sick");
  });
  const sound = await upstream((_request, response) => void response.end("sound"));
  const routes = [route([sick.origin, sound.origin], { healthPath: "/health" })];
  const running = await Running.start(await makeSite(routes));
  const client = running.client();
  const bodies = async (): Promise<string> => {
    const answers = [await client.get("/"), await client.get("/"), await client.get("/")];
    return [...new Set(answers.map(({ body }) => body))].sort().join();
  };
  await waitUntil(async () => (await bodies()) === "sound", { deadlineMs, what: "it is out" });
  well = true;
  await waitUntil(async () => (await bodies()) === "sick,sound", {
    deadlineMs,
    what: "it is back",
  });
});

test("the services port answers 503, 502 and 504 truthfully", async () => {
  const broken = await upstream((request) => void request.socket.destroy());
  const silent = await upstream(() => undefined);
  const routes = [
    route([await refusedOrigin(), await refusedOrigin()], { pathPrefix: "/refused" }),
    route([broken.origin], { pathPrefix: "/broken" }),
    route([silent.origin], { pathPrefix: "/silent" }),
  ];
  const limits = { ...defaultLimits, idleTimeoutMs: 200 };
  const running = await Running.start(await makeSite(routes), { limits });
  const client = running.client();
  const refused = await client.get("/refused");
  expect(refused.status).toBe(503);
  expect(refused.headers["retry-after"]).toBe("1");
  expect((await client.get("/broken")).status).toBe(502);
  expect((await client.get("/silent")).status).toBe(504);
});

test("a request that was sent is not sent again when the upstream breaks off", async () => {
  let seen = 0;
  const broken = await upstream((request) => {
    seen += 1;
    request.socket.destroy();
  });
  const running = await Running.start(await makeSite([route([broken.origin, broken.origin])]));
  const answer = await running.client().get("/", { method: "POST", body: "pay" });
  expect(answer.status).toBe(502);
  expect(seen).toBe(1);
});

test("an answer that breaks off does not look complete to the caller", async () => {
  const { origin } = await upstream((request, response) => {
    response.write("half");
    setImmediate(() => request.socket.destroy());
  });
  const running = await Running.start(await makeSite([route([origin])]));
  await expect(running.client().get("/")).rejects.toThrow("aborted");
});

test("an upstream's work ends when the caller goes away", async () => {
  let closed = false;
  const { origin } = await upstream((_request, response) => {
    response.write("first");
    response.once("close", () => (closed = true));
  });
  const running = await Running.start(await makeSite([route([origin])]));
  const socket = await connected(running);
  socket.write(`GET / HTTP/1.1\r\nHost: ${dnsName}\r\n\r\n`);
  await once(socket, "data");
  socket.destroy();
  await waitUntil(() => closed, { deadlineMs, what: "the upstream's connection ends" });
  await waitUntil(() => running.gateway.status().openRequests === 0, {
    deadlineMs,
    what: "no open request",
  });
});

test("kept-alive connections to an upstream are used again, and replaced when they were closed", async () => {
  const ports = new Set<number | undefined>();
  const { origin, server } = await upstream((request, response) => {
    ports.add(request.socket.remotePort);
    response.end("ok");
  });
  const running = await Running.start(await makeSite([route([origin], { healthPath: "/h" })]));
  const client = running.client();
  await client.get("/h");
  ports.clear();
  for (let i = 0; i < 5; i++) await client.get("/");
  expect(ports.size).toBe(1);
  server.closeAllConnections();
  for (let i = 0; i < 5; i++) expect((await client.get("/")).status).toBe(200);
});

test("a request that meets a kept-alive connection just closed is repeated if that is safe", async () => {
  const used = new WeakSet<object>();
  let seen = 0;
  const { origin } = await upstream((request, response) => {
    seen += 1;
    if (used.has(request.socket)) return void request.socket.destroy();
    used.add(request.socket);
    response.end("ok");
  });
  const running = await Running.start(await makeSite([route([origin])]));
  const client = running.client();
  await client.get("/");
  expect(await client.get("/")).toMatchObject({ status: 200, body: "ok" });
  expect(seen).toBe(3);
  await client.get("/");
  seen = 0;
  expect((await client.get("/", { method: "POST", body: "pay" })).status).toBe(502);
  expect(seen).toBe(1);
});

test("a WebSocket's bytes go both ways after the upstream agreed to switch", async () => {
  const { origin, server } = await upstream((_request, response) => void response.end());
  server.on("upgrade", (request, socket) => {
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${request.headers["sec-websocket-key"]}\r\n\r\nhello`,
    );
    socket.pipe(socket);
  });
  const running = await Running.start(await makeSite([route([origin])]));
  const socket = await connected(running);
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  const head = `GET /chat HTTP/1.1\r\nHost: ${dnsName}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n`;
  socket.write(`${head}early`);
  await waitUntil(() => text.includes("early"), { deadlineMs, what: "what was sent early" });
  expect(text).toMatch(/^HTTP\/1\.1 101 .*\r\n/);
  expect(text).toContain("Sec-WebSocket-Accept: k");
  expect(text).toContain("Upgrade: websocket");
  socket.write("more");
  await waitUntil(() => text.endsWith("more"), { deadlineMs, what: "the echo" });
  expect(running.gateway.status().openRequests).toBe(1);
  socket.end();
  await waitUntil(() => running.gateway.status().openRequests === 0, {
    deadlineMs,
    what: "the end",
  });
});

test("an upstream's refusal to switch is passed on, and other protocols are not switched to", async () => {
  const { origin } = await upstream((_request, response) => {
    response.statusCode = 403;
    response.end("no");
  });
  const running = await Running.start(await makeSite([route([origin])]));
  for (const protocol of ["websocket", "h2c"]) {
    const answer = await running.client().get("/", {
      headers: { connection: "Upgrade", upgrade: protocol },
    });
    expect(answer).toMatchObject({ status: 403, body: "no" });
  }
});

test("the documented health checks answer when no route is configured", async () => {
  const running = await Running.start(await makeSite());
  for (const path of ["/healthcheck", "/healthchecklb"]) {
    expect(await running.client().get(path)).toMatchObject({
      status: 200,
      body: "<status>ok</status>",
    });
  }
});

test("metrics tell requests by code, connections, upstreams, epoch and days left", async () => {
  const { origin } = await upstream((_request, response) => void response.end());
  const running = await Running.start(await makeSite([route([origin])]));
  await running.client().get("/");
  await running.client().get("/a/../b");
  const { text } = await running.ask("/metrics", shown(running.site.nodeManager.identity));
  expect(text).toContain('gatehouse_requests_total{code="200"} 1');
  expect(text).toContain('gatehouse_requests_total{code="400"} 1');
  expect(text).toContain("gatehouse_trust_epoch 1");
  expect(text).toContain(`gatehouse_upstream_healthy{upstream="${origin}"} 1`);
  expect(text).toMatch(/gatehouse_open_connections\{port="management"\} 1\n/);
  expect(text).toMatch(/gatehouse_credential_days_left\{usage="management"\} (29\.99|30)/);
  expect(text).toMatch(/gatehouse_credential_days_left\{usage="traffic"\} (29\.99|30)/);
});
