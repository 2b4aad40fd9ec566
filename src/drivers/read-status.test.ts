import { writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { driverDescription } from "../../test/support/driver-description.ts";
import { onEnd } from "../../test/support/cleanup.ts";
import { realRoot, serverMaterial } from "../../test/support/driver-material.ts";
import { memberOf } from "../../test/support/member.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { certificatesPem, privateKeyToPem } from "../keys/index.ts";
import { readStatus } from "./read-status.ts";
import type { Description } from "./description.ts";

async function described(status: NonNullable<Description["status"]>): Promise<Description> {
  return { ...(await driverDescription("stunnel")), status };
}

describe("a member's status", () => {
  test("is that of an admin port whose certificate is verified, after a login from a file", async () => {
    const root = await realRoot();
    const { key, leaf } = await serverMaterial(root);
    const server = createServer(
      { key: privateKeyToPem(key), cert: certificatesPem([leaf]) },
      (request, answer) => {
        const isKnown =
          request.headers.authorization === `Basic ${Buffer.from("op:secret").toString("base64")}`;
        answer.writeHead(isKnown ? 200 : 401).end('{"peers":[1,2]}');
      },
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onEnd(() => server.close());
    const file = join(await tempFolder(), "password");
    await writeFile(file, "secret\n", { mode: 0o600 });
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const description = await described({ from: { url }, connected: { json: "$.peers" } });
    const login = { user: "op", password: { file } };
    const read = (anchors = [root.certificate]) =>
      readStatus({ ...memberOf({ ...description, login }), anchors });
    expect(await read()).toMatchObject({ connected: 2 });
    await expect(read([(await realRoot("CN=Other")).certificate])).rejects.toMatchObject({
      code: "unreachable",
    });
    await expect(read([])).rejects.toMatchObject({ code: "unreachable" });
    await expect(
      readStatus({ ...memberOf(description), anchors: [root.certificate] }),
    ).rejects.toMatchObject({
      code: "unreachable",
    });
  });

  test("is what a command prints", async () => {
    const description = await described({
      from: { run: ["echo", "members: 3"] },
      members: { match: "members: (\\d+)" },
    });
    expect(await readStatus(memberOf(description))).toMatchObject({ members: 3 });
  });

  test("is null where its driver reads none", async () => {
    expect(await readStatus(memberOf(await driverDescription("stunnel")))).toBeNull();
  });
});
