import type { Route } from "../domain/index.ts";
import { matchRoute, type RequestTarget } from "./route-match.ts";
import { orderOfTrial } from "./upstream-choice.ts";
import { Upstream } from "./upstream.ts";

interface WatchedRoute extends Pick<Route, "host" | "pathPrefix"> {
  readonly upstreams: readonly Upstream[];
  turn: number;
}

/** The routes in force, with the upstreams behind them. */
export class Routing {
  readonly #onChange: (upstream: Upstream) => void;
  #upstreams = new Map<string, Upstream>();
  #routes: WatchedRoute[] = [];

  /** `onChange` is told when an upstream becomes healthy or stops being so. */
  constructor(onChange: (upstream: Upstream) => void) {
    this.#onChange = onChange;
  }

  /** From now on these routes are served; what is known of upstreams that stay is kept. */
  update(routes: readonly Route[]): void {
    const before = this.#upstreams;
    this.#upstreams = new Map();
    this.#routes = routes.map(({ host, pathPrefix, upstreams, healthPath }) => ({
      host,
      pathPrefix,
      turn: 0,
      upstreams: upstreams.map((origin) => this.#watched(origin, healthPath, before)),
    }));
    for (const [key, upstream] of before) if (!this.#upstreams.has(key)) upstream.unwatch();
  }

  #watched(
    origin: string,
    healthPath: string | null,
    before: ReadonlyMap<string, Upstream>,
  ): Upstream {
    const key = `${origin} ${healthPath ?? ""}`;
    const known = this.#upstreams.get(key) ?? before.get(key);
    const upstream = known ?? new Upstream(origin, healthPath, this.#onChange);
    if (known === undefined) upstream.watch();
    this.#upstreams.set(key, upstream);
    return upstream;
  }

  /** The upstreams for a request in the order in which to try them; undefined if no route takes it. */
  upstreamsFor(target: RequestTarget): Upstream[] | undefined {
    const route = matchRoute(this.#routes, target);
    return route && orderOfTrial(route.upstreams, route.turn++);
  }

  get upstreams(): readonly Upstream[] {
    return [...this.#upstreams.values()];
  }

  stop(): void {
    this.update([]);
  }
}
