// What is known, without a page: pictures, topics, decisions, and which entries the filters leave.
// An entry is a picture in a set: {n, set, odd}. Sets are looked at together; most hold one picture, and every
// other one is marked odd so that neighbours can be told apart.

export const ALL = "all-pictures";

export class Model {
  constructor(review) {
    this.name = review.name;
    this.file = review.corrections;
    this.classes = review.classes;
    this.hidden = review.hidden;
    this.pictures = review.pictures.map(([id, label, split, why]) => ({
      id,
      label: label < 0 ? "" : review.classes[label],
      split,
      why,
    }));
    const everything = {
      key: ALL,
      title: "All pictures",
      text: "Class by class: wrong ones stand out.",
      sets: this.pictures.map((_, n) => [n]),
      hints: {},
    };
    this.topics = [...review.topics, everything].map((topic) => ({
      ...topic,
      numbers: [...new Set(topic.sets.flat())],
    }));
    this.decisions = new Map(Object.entries(review.decisions).map(([n, made]) => [Number(n), made]));
    this.splits = [...new Set(this.pictures.map((picture) => picture.split))].sort();
    this.filters = { show: "open", label: "", split: null, text: "" };
    this.topic = this.topics.find((topic) => this.decided(topic) < topic.numbers.length) ?? this.topics.at(-1);
    this.suspect = new Set(review.topics.flatMap((topic) => topic.sets.flat()));
    this.filter();
  }

  decided(topic) {
    let count = 0;
    for (const n of topic.numbers) if (this.decisions.has(n)) count += 1;
    return count;
  }

  choose(key) {
    this.topic = this.topics.find((topic) => topic.key === key) ?? this.topic;
    this.filter();
  }

  // The entries stay as they are until a filter is touched: nothing jumps away under the hand.
  filter() {
    const { show, label, split, text } = this.filters;
    const wanted = text.toLowerCase();
    const fits = (n) => {
      const picture = this.pictures[n];
      return (
        (label === "" || picture.label === label) &&
        (split === null || picture.split === split) &&
        (wanted === "" || picture.id.toLowerCase().includes(wanted))
      );
    };
    const state = (set) =>
      show === "all" ||
      (show === "open" ? set.some((n) => !this.decisions.has(n)) : set.some((n) => this.decisions.has(n)));
    this.entries = [];
    let odd = true;
    for (const set of this.topic.sets) {
      if (!set.some(fits) || !state(set)) continue;
      odd = !odd;
      for (const n of set) this.entries.push({ n, set, odd });
    }
    this.cursor = Math.max(0, this.next(-1));
  }

  get current() {
    return this.entries[this.cursor];
  }

  // Place of the next entry without a decision, around the end; -1 where there is none.
  next(from) {
    const count = this.entries.length;
    for (let step = 1; step <= count; step += 1) {
      const place = (((from + step) % count) + count) % count;
      if (!this.decisions.has(this.entries[place].n)) return place;
    }
    return -1;
  }

  placeOf(n) {
    return this.entries.findIndex((entry) => entry.n === n);
  }

  hint(n) {
    const found = this.topic.hints[n] ?? this.topics.map((topic) => topic.hints[n]).find(Boolean);
    return found ? { suggested: found[0], score: found[1] } : null;
  }

  // What stands in the file as the reason: where it was seen, and the label that was there.
  reason(n) {
    const { label } = this.pictures[n];
    const where = this.topic.key === ALL ? "by eye" : this.topic.key;
    return label ? `${where}; was '${label}'` : where;
  }

  // Pictures of a class that nothing speaks against, from all over it.
  examples(label, count, without) {
    this.known ??= new Map();
    if (!this.known.has(label)) {
      const clean = this.pictures
        .map((picture, n) => n)
        .filter((n) => this.pictures[n].label === label && !this.pictures[n].why && !this.suspect.has(n));
      this.known.set(label, clean);
    }
    const numbers = this.known.get(label).filter((n) => !without.includes(n) && !this.decisions.has(n));
    const step = Math.max(1, Math.floor(numbers.length / count));
    return numbers.filter((_, place) => place % step === 0).slice(0, count);
  }
}
