import { request } from "node:http";
import { join } from "node:path";
import { DomainError, type ErrorCode } from "../kit/index.ts";
import type { EntityStoreChange } from "../node/local.ts";

/** What the running Node Manager of this host says of itself. */
export interface NodeStatus {
  readonly host: string;
  readonly process: string;
  readonly pid: number;
  /** An Admin Node Manager answers it. */
  readonly connected: boolean;
  /** Why none takes it, where they answer at all. */
  readonly refusal: string | null;
  /** The Admin Node Manager that answered last; null before the first answer. */
  readonly admin: { readonly id: string; readonly address: string; readonly port: number } | null;
  readonly epoch: number;
  readonly instances: readonly {
    readonly id: string;
    readonly name: string;
    readonly enabled: boolean;
    readonly state: string;
    readonly pid: number | null;
  }[];
}

const answerMsMax = 30_000;

/** Status of the Node Manager that runs on a home, or null if none answers. */
export async function nodeStatus(home: string): Promise<NodeStatus | null> {
  const text = await ask(home, "GET", "/status");
  return text === null ? null : (JSON.parse(text) as NodeStatus);
}

/** Asks the Node Manager to end. False if none answers. */
export async function stopNode(home: string): Promise<boolean> {
  return (await ask(home, "POST", "/stop")) !== null;
}

/** Has the Node Manager change the passphrase of its keys. False if none answers. Throws what it refuses with. */
export async function changeEntityStore(home: string, change: EntityStoreChange): Promise<boolean> {
  const text = await ask(home, "POST", "/entity-store", JSON.stringify(change));
  if (text === null) return false;
  const { code, message } = JSON.parse(text) as { code?: ErrorCode; message?: string };
  if (code !== undefined) throw new DomainError(code, String(message));
  return true;
}

function ask(
  home: string,
  method: "GET" | "POST",
  path: string,
  body = "",
): Promise<string | null> {
  const socketPath = join(home, "run", "node.sock");
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, method, path, timeout: answerMsMax }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.once("end", () => resolve(text));
    });
    call.once("timeout", () =>
      call.destroy(new DomainError("timeout", `the Node Manager on ${home} does not answer`)),
    );
    call.once("error", (cause: NodeJS.ErrnoException) => {
      if (cause instanceof DomainError) return reject(cause);
      if (cause.code === "EACCES" || cause.code === "EPERM")
        return reject(
          new DomainError(
            "forbidden",
            `${socketPath} belongs to another user: run this as that one`,
            { cause },
          ),
        );
      resolve(null);
    });
    call.end(body);
  });
}
