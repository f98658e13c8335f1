"use strict";
(() => {
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];
  document.documentElement.classList.add("script");

  // Charts: switch curves on and off, and read them at a place.
  for (const chart of all("[data-chart]")) {
    const slider = chart.querySelector("input[type=range]");
    const reading = chart.querySelector("output");
    const drawing = chart.querySelector("svg");
    const cursor = chart.querySelector(".cursor");
    const places = slider.dataset.places.split("\n");
    const curves = all("g[data-curve]", chart);
    const names = all(".key span", chart).map((each) => each.textContent);
    const at = (curve, place) => curve.querySelector(`[data-place="${place}"]`);

    const read = () => {
      const shown = curves.filter((curve) => !curve.hasAttribute("hidden")).reverse();
      const rows = shown
        .map((curve) => [names[curve.dataset.curve], at(curve, slider.value)])
        .filter(([, point]) => point);
      const lines = rows.map(([name, point]) => `${name}: ${point.dataset.text}`);
      reading.replaceChildren(...[places[slider.value], ...lines].map((line, number) => {
        const row = document.createElement(number ? "span" : "strong");
        row.textContent = line;
        return row;
      }));
      slider.setAttribute("aria-valuetext", places[slider.value]);
      all(".chosen", chart).forEach((point) => point.classList.remove("chosen"));
      cursor.toggleAttribute("hidden", !rows.length);
      for (const [, point] of rows) {
        point.classList.add("chosen");
        cursor.setAttribute("x1", point.getAttribute("cx"));
        cursor.setAttribute("x2", point.getAttribute("cx"));
      }
    };

    drawing.addEventListener("pointermove", (event) => {
      const box = drawing.getBoundingClientRect();
      const x = (event.clientX - box.left) * drawing.viewBox.baseVal.width / box.width;
      const distance = (point) => Math.abs(point.getAttribute("cx") - x);
      const points = all("circle", drawing).sort((one, other) => distance(one) - distance(other));
      if (slider.value !== points[0].dataset.place) {
        slider.value = points[0].dataset.place;
        read();
      }
    });
    slider.addEventListener("input", read);
    for (const box of all("[data-switch]", chart)) {
      box.addEventListener("change", () => {
        const curve = curves.find((each) => each.dataset.curve === box.dataset.switch);
        curve.toggleAttribute("hidden", !box.checked);
        read();
      });
    }
    read();
  }

  // Tables of which one is shown at a time.
  for (const choice of all("[data-panels]")) {
    const show = () => {
      for (const panel of all(`[data-panel="${choice.dataset.panels}"]`)) {
        panel.hidden = panel.dataset.value !== choice.value;
      }
    };
    choice.addEventListener("change", show);
    show();
  }

  // The gallery: which attack each card shows, which cards, in which order.
  const form = document.getElementById("filters");
  if (!form) return;
  const gallery = document.querySelector(".gallery");
  const cards = all(".card", gallery);
  const dialog = document.getElementById("large");
  const value = (name) => document.getElementById(`filter-${name}`)?.value ?? "";
  const shown = (card) => all(".variant:not([hidden])", card);
  const orders = {
    index: (card) => Number(card.dataset.index),
    clean: (card) => Number(card.dataset.clean),
    margin: (card) => Number(shown(card)[0].dataset.margin),
    moved: (card) => -Number(shown(card)[0].dataset.moved),
  };

  const update = () => {
    const wanted = (value("attack") || "w") + value("epsilon");
    const needed = value("outcome").split(" ").filter(Boolean);
    for (const card of cards) {
      for (const variant of all(".variant", card)) {
        variant.hidden = !variant.dataset.shows.split(" ").includes(wanted);
      }
      const outcomes = shown(card).map((variant) => variant.dataset.outcome);
      const isOfClass = ["", card.dataset.class].includes(value("class"));
      card.hidden = !isOfClass || needed.some((each) => !outcomes.includes(each));
    }
    const order = orders[value("sort") || "index"];
    gallery.append(...cards.sort((one, other) => order(one) - order(other)));
    const count = cards.filter((card) => !card.hidden).length;
    form.querySelector("output").textContent = `${count} of ${cards.length} shown`;
  };
  form.addEventListener("change", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  update();

  // The large view: the same card in a dialog, with its neighbors.
  let current = null;
  const open = (card) => {
    current = card;
    const copy = card.cloneNode(true);
    all(".enlarge, h3", copy).forEach((each) => each.remove());
    document.getElementById("large-title").textContent = card.querySelector("h3").textContent;
    dialog.querySelector(".content").replaceChildren(...copy.childNodes);
    if (!dialog.open) dialog.showModal();
  };
  const step = (by) => {
    const visible = cards.filter((card) => !card.hidden);
    const next = visible.indexOf(current) + by;
    if (visible[next]) open(visible[next]);
  };
  for (const card of cards) {
    card.querySelector(".enlarge").addEventListener("click", () => open(card));
    all("img", card).forEach((image) => image.addEventListener("click", () => open(card)));
  }
  for (const button of all("[data-step]", dialog)) {
    button.addEventListener("click", () => step(Number(button.dataset.step)));
  }
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
})();
