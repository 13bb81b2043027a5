// A question: its options as buttons, this viewer's answer, and whether it was right.
const LETTERS = "abcdefghijklmnopqrstuvwxyz";
const find = (id) => document.querySelector(`#${id}`);

export class Question {
  constructor(say, make) {
    this.say = say;
    this.make = make;
    this.asked = null;
    this.chosen = null; // this viewer's option, as the server has it
    this.note = "";
    this.unsure = false;
  }

  // A letter of an option does what its button does, in any layout of the keyboard.
  typed({ key, code, repeat, ctrlKey, altKey, metaKey }) {
    if (repeat || ctrlKey || altKey || metaKey) return;
    const letter = /^[a-z]$/i.test(key) ? key.toLowerCase() : /^Key[A-Z]$/.test(code) ? code.at(-1).toLowerCase() : "";
    const button = letter && find("options").children[LETTERS.indexOf(letter)];
    if (button?.offsetParent) button.click(); // one that can be seen; a closed question's does nothing
  }

  // The page is new or was away, or the server is another one: it may know this viewer's answer, or not any more.
  joined(question) {
    this.unsure = Boolean(question);
  }

  async compare() {
    const { id, open } = this.asked;
    this.unsure = false;
    try {
      const answer = await (await fetch("answer", { cache: "no-store" })).json();
      if (this.asked?.id !== id || answer.question !== id) return;
      if (answer.option !== null) this.chosen = answer.option;
      else if (this.chosen !== null && open) await this.send(this.chosen);
      this.show(this.asked);
    } catch {
      this.unsure = true; // until the next frame
    }
  }

  show(question) {
    find("question").hidden = !question;
    const other = question?.id !== this.asked?.id;
    this.asked = question ?? null;
    if (other) {
      this.chosen = null;
      this.note = "";
      find("options").replaceChildren();
    }
    if (!question) return;
    if (this.unsure) this.compare();
    find("asked").textContent = question.text;
    this.drawOptions(question);
    const [key, values] = this.verdict(question);
    find("verdict").textContent = this.say(key, values);
    find("verdict").className = ["right", "wrong"].includes(key) ? key : "";
  }

  drawOptions({ options, open, right, counts }) {
    const list = find("options");
    while (list.children.length > options.length) list.lastChild.remove();
    while (list.children.length < options.length) {
      const place = list.children.length;
      const button = this.make("button");
      button.append(
        this.make("span", "", "bar"), this.make("span", LETTERS[place], "letter"),
        this.make("span", "", "text"), this.make("span", "", "count"),
      );
      button.onclick = () => this.send(place);
      list.append(button);
    }
    const all = (counts ?? []).reduce((sum, n) => sum + n, 0);
    [...list.children].forEach((button, place) => {
      button.disabled = !open;
      button.querySelector(".text").textContent = options[place];
      button.querySelector(".count").textContent = counts ? counts[place] : "";
      button.querySelector(".bar").style.width = all ? `${(100 * counts[place]) / all}%` : "0";
      button.classList.toggle("chosen", this.chosen === place);
      button.classList.toggle("right", right === place);
      button.classList.toggle("wrong", right !== null && right !== undefined && right !== place);
      button.setAttribute("aria-pressed", String(this.chosen === place));
    });
  }

  verdict({ options, open, right }) {
    const named = (place) => `${LETTERS[place]}) ${options[place]}`;
    const chosen = this.chosen;
    if (right !== null && right !== undefined) {
      if (chosen === null) return ["told", { option: named(right) }];
      return [chosen === right ? "right" : "wrong", { option: named(right), chosen: named(chosen) }];
    }
    if (!open) return chosen === null ? ["late"] : ["closed", { option: named(chosen) }];
    if (this.note) return [this.note];
    return chosen === null ? ["send"] : ["taken", { option: named(chosen) }];
  }

  async send(option) {
    const { id } = this.asked;
    this.tell("sending");
    try {
      let answer = await this.post(id, option);
      if (answer.status === 428) answer = await this.post(id, option); // the first answer made this viewer known
      if (answer.status === 428) return this.tell("cookies");
      if (!answer.ok) return this.tell("failed");
      if (this.asked?.id === id) this.chosen = option;
      this.tell("");
    } catch {
      this.tell("failed");
    }
  }

  post(question, option) {
    return fetch("answer", {
      method: "POST",
      body: JSON.stringify({ question, option }),
      headers: { "Content-Type": "application/json" },
      signal: AbortSignal.timeout(8000),
    });
  }

  tell(note) {
    this.note = note;
    this.show(this.asked);
  }
}
