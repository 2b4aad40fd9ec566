import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tempFolder } from "../../../test/support/temp-folder.ts";
import { unitName, unitText } from "./service-unit.ts";

const unit = { user: "root", node: process.execPath, program: import.meta.filename };

describe("the systemd unit of a home", () => {
  test.each(["/opt/gatehouse", "/srv/gate way/100%$HOME", '/srv/a"b'])(
    "passes systemd-analyze for %s, without a word",
    async (home) => {
      const path = join(await tempFolder(), "gatehouse-test.service");
      writeFileSync(path, unitText({ ...unit, home }));
      const { status, stdout, stderr } = spawnSync(
        "systemd-analyze",
        ["verify", "--man=no", path],
        {
          encoding: "utf8",
        },
      );
      const said = `${stdout}${stderr}`.split("\n").filter((line) => line.includes("gatehouse-"));
      expect(said).toEqual([]);
      expect(status).toBe(0);
    },
  );

  test("is refused by systemd-analyze when its program is not there", async () => {
    const path = join(await tempFolder(), "gatehouse-test.service");
    writeFileSync(path, unitText({ ...unit, home: "/opt", node: "/nowhere/node" }));
    expect(spawnSync("systemd-analyze", ["verify", "--man=no", path]).status).not.toBe(0);
  });

  test.each(["/opt/gatehouse", "/srv/gate way", "/var/lib/.hidden/a-b"])(
    "is named as systemd-escape names the path %s",
    (home) => {
      const escaped = execFileSync("systemd-escape", ["--path", home], { encoding: "utf8" }).trim();
      expect(unitName(home)).toBe(`gatehouse-${escaped}.service`);
    },
  );
});
