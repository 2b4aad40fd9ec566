import { DomainError } from "../../kit/index.ts";
import type { RouteBody } from "../../contract/index.ts";
import { asAdmin, type CommandContext } from "../command-context.ts";
import { findGroup, findInstance } from "../lookup.ts";
import type { Given } from "./command-line.ts";

/** `managedomain --edit_instance`: `--name` and `--group` say which one, the rest what it becomes. */
export function editInstance(context: CommandContext, given: Given): Promise<void> {
  const named = given.required("name", "edit_instance");
  const name = given.text("new_name");
  const managementPort = given.port("instance_management_port");
  const servicesPort = given.port("instance_services_port");
  const body: RouteBody<"editInstance"> = {
    ...(name === undefined ? {} : { name }),
    ...(managementPort === undefined ? {} : { managementPort }),
    ...(servicesPort === undefined ? {} : { servicesPort }),
  };
  if (Object.keys(body).length === 0)
    throw new DomainError(
      "usage",
      "nothing is given that would change the instance: --new_name, --instance_management_port or --instance_services_port",
    );
  return asAdmin(context, async (admin) => {
    const topology = await admin.call("getTopology");
    const { id, group } = findInstance(topology, named, given.text("group"));
    await admin.call("editInstance", { params: { id }, body });
    const changes = [
      ...(name === undefined ? [] : [`is named ${name}`]),
      ...(managementPort === undefined ? [] : [`is managed on port ${managementPort}`]),
      ...(servicesPort === undefined ? [] : [`serves on port ${servicesPort}`]),
    ];
    context.terminal.out(
      `Instance ${named} [${id}] of group ${group.name} ${changes.join(", ")} from now on.`,
    );
  });
}

/** `managedomain --edit_group`: `--group` says which one, `--new_name` what it is named from now on. */
export function editGroup(context: CommandContext, given: Given): Promise<void> {
  const named = given.required("group", "edit_group");
  const name = given.required("new_name", "edit_group");
  return asAdmin(context, async (admin) => {
    const { id } = findGroup(await admin.call("getTopology"), named);
    await admin.call("renameGroup", { params: { id }, body: { name } });
    context.terminal.out(`Group ${named} [${id}] is named ${name} from now on.`);
  });
}

/** `managedomain --add_tag`: gives it the value, also where it has another. */
export function addTag(context: CommandContext, given: Given): Promise<void> {
  const named = given.required("name", "add_tag");
  const tag = given.required("tag", "add_tag");
  const value = given.required("value", "add_tag");
  return asAdmin(context, async (admin) => {
    const { id } = findInstance(await admin.call("getTopology"), named, given.text("group"));
    await admin.call("setTag", { params: { id, tag }, body: { value } });
    context.terminal.out(`Instance ${named} [${id}] has the tag ${tag}=${value}.`);
  });
}

/** `managedomain --delete_tag`. */
export function deleteTag(context: CommandContext, given: Given): Promise<void> {
  const named = given.required("name", "delete_tag");
  const tag = given.required("tag", "delete_tag");
  return asAdmin(context, async (admin) => {
    const { id } = findInstance(await admin.call("getTopology"), named, given.text("group"));
    await admin.call("deleteTag", { params: { id, tag } });
    context.terminal.out(`Instance ${named} [${id}] has no tag ${tag} any more.`);
  });
}
