import type { AppSettings, Gauge, OpenedApp } from "./host.js";

export function createHost(library: typeof import("../../../lib/index.js")): {
  open(): Promise<OpenedApp>;
  begin(app: { key: number; settings: AppSettings }): void;
  close(app: { key: number }): Promise<void>;
  gauge(): Gauge;
  ping(): string;
};
