import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { dayMs } from "../../test/support/certificates.ts";
import { realRoot } from "../../test/support/driver-material.ts";
import { revocationList } from "../../test/support/revocation-list.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { encodePem } from "../pki/index.ts";
import { examineRevocationLists } from "./examine-revocation-lists.ts";
import { driverDescription } from "../../test/support/driver-description.ts";

test("a list of a server that is over, soon is, or is not there for a CA is a finding", async () => {
  const folder = await tempFolder();
  await mkdir(join(folder, "current"));
  const [own, other] = [await realRoot(), await realRoot("CN=Other")];
  const nowMs = Date.now();
  const list = await revocationList(own, nowMs + 3 * dayMs);
  await writeFile(join(folder, "current", "crl.pem"), encodePem("X509 CRL", list));
  const stunnel = await driverDescription("stunnel");
  const files = [{ what: "crl" as const, path: "crl.pem" }];
  const codes = async (atMs: number, ...anchors: (typeof own)[]): Promise<string[]> => {
    const found = await examineRevocationLists(
      { ...stunnel, folder, files },
      { anchors: anchors.map(({ certificate }) => certificate) },
      atMs,
      (code, severity, text) => ({ code, severity, subject: "m", text }),
    );
    return found.map(({ code, severity }) => `${severity} ${code}`);
  };
  expect(await codes(nowMs, own)).toEqual([]);
  expect(await codes(nowMs + 2.5 * dayMs, own)).toEqual(["warning revocation-list-ends"]);
  expect(await codes(nowMs + 4 * dayMs, own)).toEqual(["error revocation-list"]);
  expect(await codes(nowMs, own, other)).toEqual(["error revocation-list"]);
  await writeFile(join(folder, "current", "crl.pem"), "broken");
  expect(await codes(nowMs, own)).toEqual(["error revocation-list"]);
  const none = { ...stunnel, folder };
  expect(await examineRevocationLists(none, { anchors: [] }, nowMs, () => ({}) as never)).toEqual(
    [],
  );
});
