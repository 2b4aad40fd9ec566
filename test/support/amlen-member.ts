import { userInfo } from "node:os";
import { join } from "node:path";
import { memberAt, shippedDriver, type MemberAt } from "../../src/drivers/index.ts";
import type { Certificate } from "../../src/pki/index.ts";
import type { TestMember } from "../simulators/amlen/test-members.ts";
import { tempFolder } from "./temp-folder.ts";

export interface AmlenMemberChanges {
  readonly variables?: Readonly<Record<string, string>>;
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly anchors?: readonly Certificate[];
}

/** A simulated Amlen server as its driver sees it, on its own host. */
export async function amlenMember(
  { server, host }: TestMember,
  { variables = {}, settings, anchors = [] }: AmlenMemberChanges = {},
): Promise<MemberAt> {
  const { username, gid } = userInfo();
  const wanted = {
    name: server.name,
    description: await shippedDriver("amlen"),
    variables: {
      folder: join(await tempFolder(), "member"),
      serverCfg: join(server.folder.path, "server.cfg"),
      user: username,
      group: String(gid),
      host: host.admin,
      adminUrl: server.adminUrl.replace("/ima/v1", ""),
      ...variables,
    },
    others: [],
  };
  return memberAt(settings === undefined ? wanted : { ...wanted, settings }, anchors);
}
