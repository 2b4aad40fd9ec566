import type { WantedMember } from "../contract/index.ts";
import type { Certificate } from "../pki/index.ts";
import { codeOf } from "./code.ts";
import type { MemberAt } from "./driver-code.ts";
import { checkDescription } from "./read-description.ts";
import { resolveDescription, resolveValues } from "./variables.ts";

/**
 * A member as the functions of this folder take it: its description checked, and the variables of it
 * and of the others resolved. `anchors` are the CAs that it trusts now. Throws `invalid-input` for a
 * description or a value that is refused.
 */
export function memberAt(
  wanted: Pick<WantedMember, "name" | "description" | "variables" | "settings" | "others">,
  anchors: readonly Certificate[],
): MemberAt {
  const { name, settings } = wanted;
  const description = checkDescription(wanted.description, `the driver of ${name}`);
  const onHost = codeOf(description).valuesOnHost?.(resolveValues(description, wanted.variables));
  const variables = { ...onHost, ...wanted.variables };
  return {
    name,
    description: resolveDescription(description, variables),
    values: resolveValues(description, variables),
    ...(settings === undefined ? {} : { settings }),
    anchors,
    others: wanted.others.map((other) => ({
      name: other.name,
      address: other.address,
      pair: other.pair,
      values: resolveValues(description, other.variables),
      served: resolveDescription(description, other.variables).served,
    })),
  };
}
