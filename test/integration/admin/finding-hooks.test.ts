import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { startAdmin } from "../../support/admin-process.ts";
import { waitUntil } from "../../support/wait-until.ts";

interface News {
  readonly raised: readonly { readonly code: string; readonly subject: string }[];
}

/** A webhook's receiver; resolves with its URL and what it was sent. */
async function startReceiver(): Promise<{ url: string; received: News[] }> {
  const received: News[] = [];
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk) => (text += String(chunk)));
    request.once("end", () => {
      received.push(JSON.parse(text) as News);
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { received, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
}

test("a finding reaches the command and the webhook once, when it is raised", async () => {
  const { url, received } = await startReceiver();
  const admin = await startAdmin(async (layout) => {
    const hooks = { webhook: url, command: ["/bin/sh", "-c", `cat >> ${layout.home}/told`] };
    await writeFile(`${layout.home}/conf/hooks.json`, JSON.stringify(hooks));
  });
  const isTold = (news: News): boolean =>
    news.raised.some((finding) => finding.code === "one-admin");
  await waitUntil(() => received.some(isTold), {
    deadlineMs: 20_000,
    what: "the webhook is called",
  });
  await waitUntil(
    async () => (await readFile(`${admin.layout.home}/told`, "utf8")).includes("one-admin"),
    { deadlineMs: 20_000, what: "the command is run" },
  );
  expect(received.filter(isTold)).toHaveLength(1);
});
