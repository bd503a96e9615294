/** Sessions whose touch is under way, and how often: some stores do it by a set. */
export class Touching {
  readonly #times = new Map<string, number>();

  has(id: string): boolean {
    return this.#times.has(id);
  }

  async during(id: string, work: () => Promise<unknown>): Promise<void> {
    this.#times.set(id, (this.#times.get(id) ?? 0) + 1);
    try {
      await work();
    } finally {
      const others = (this.#times.get(id) ?? 1) - 1;
      if (others > 0) this.#times.set(id, others);
      else this.#times.delete(id);
    }
  }
}
