# Wat een uitleg in het Nederlands zegt: met „u”, voor wie niet van het vak is.
#
# Regels, zoals in en.ftl: zeggen wat de score van dit model heeft bewogen, nooit wat iets heeft
# „veroorzaakt”; punten voor bijdragen, nooit een percentage; zeggen wat de uitkomst van de
# genomen beslissing zou hebben veranderd, nooit wat er gaat gebeuren. Getallen zijn al opgemaakt.
# Syntaxis: https://projectfluent.org

## Values

value-yes = ja
value-no = nee
value-missing = niet opgegeven
unit-none = { $number }
unit-count = { $number }
unit-percent = { $number }%
unit-usd = { $number }
unit-usd-per-month = { $number } per maand
unit-months = { $count ->
    [one] { $number } maand
   *[other] { $number } maanden
}
unit-years = { $count ->
   *[other] { $number } jaar
}
reference-mostly = het vaakst { $value }
item-with-value = { $label } ({ $value })
item-with-points = { $label }: { $value } ({ $points } punten)
item-with-others = { $item }, samen met { $others }

## Outcomes

outcome-approved = Goedgekeurd
outcome-declined = Afgewezen
outcome-accepted = Aanvaard
outcome-rejected = Verworpen
outcome-referred = Doorgegeven aan een persoon
outcome-granted = Toegekend
outcome-refused = Geweigerd

## The decision in one sentence

summary-against = { $outcome }: het model gaf een score van { $score } punten en er waren er minstens { $limit } nodig. Vergeleken met de referentiegroep verlaagde dit gegeven de score het meest: { $item }.
summary-against-bare = { $outcome }: het model gaf een score van { $score } punten en er waren er minstens { $limit } nodig.
summary-for = { $outcome }: het model gaf een score van { $score } punten en er waren er minstens { $limit } nodig. Vergeleken met de referentiegroep verhoogde dit gegeven de score het meest: { $item }.
summary-for-bare = { $outcome }: het model gaf een score van { $score } punten en er waren er minstens { $limit } nodig.
summary-rule = { $outcome }: een regel van het beleid besliste, ongeacht de score. { $reason }.
summary-not-the-score = { $outcome }: dit volgt niet uit de score van het model, die { $score } punten was terwijl er minstens { $limit } nodig waren. Deze uitleg zegt niet wat ertoe heeft geleid.

## The decision in paragraphs

paragraph-decision = Een statistisch model heeft uit de gegevens van dit geval een score van { $score } punten berekend. De grens ligt bij { $limit } punten. Wordt die gehaald, dan is de uitkomst ‘{ $pass }’; anders ‘{ $fail }’. De uitkomst was ‘{ $outcome }’.
paragraph-rule = { $count ->
    [one] Naast de score heeft het beleid regels die beslissen ongeacht de score. Deze regel besliste: { $items }.
   *[other] Naast de score heeft het beleid regels die beslissen ongeacht de score. Deze regels beslisten: { $items }.
}
paragraph-reference = Elk geval begint bij de gemiddelde score van de referentiegroep: { $population }. Dat gemiddelde is { $reference } punten. Van daaruit heeft elk gegeven van dit geval de score van dit model verhoogd, verlaagd of niet veranderd.
paragraph-reasons = { $count ->
    [one] Vergeleken met de referentiegroep verlaagde dit gegeven de score van dit model het meest: { $items }.
   *[other] Vergeleken met de referentiegroep verlaagden deze gegevens de score van dit model het meest: { $items }.
}
paragraph-no-reasons = Vergeleken met de referentiegroep heeft per saldo niets de score van dit model verlaagd.
paragraph-helped = { $count ->
    [one] Dit gegeven verhoogde de score: { $items }.
   *[other] Deze gegevens verhoogden de score: { $items }.
}

## Reasons

reason-phrase = { $reason }: { $phrase } (referentiegroep: { $reference })
reason-value = { $reason }: { $value } (referentiegroep: { $reference })
reason-yes-no = { $reason } ({ $label }: { $value }; referentiegroep: { $reference })
reason-combined = { $label }: { $value } (referentiegroep: { $reference }). Dit verlaagde de score alleen samen met andere gegevens
reason-bare = { $label }: { $value } (referentiegroep: { $reference })
reason-not-given = { $label }: niet opgegeven (referentiegroep: { $reference })
reason-rule = { $reason } ({ $items })
reason-together = { $text }. Samen geteld met: { $others }
reason-helped = { $label }: { $value } (referentiegroep: { $reference })

suppressed-small = minder dan { $share } van alles wat de score verlaagde
suppressed-beyond-limit = zwakker dan de { $most } genoemde redenen
suppressed-rule-beyond = een regel die ook van toepassing was; de { $most } redenen van een kennisgeving laten er geen plaats voor
suppressed-same-reason = al genoemd als reden van een regel
suppressed-other-component = een regel besliste, en de score alleen zou voldoende zijn geweest

## What would have changed the outcome

change = { $label }: { $to } (in plaats van: { $from })
counterfactual = { $changes }. Als al het andere gelijk was gebleven, had dit model { $score } punten gegeven. Die score leidt tot ‘{ $outcome }’.
counterfactual-note-found = Wij hebben hetzelfde model met dezelfde grens opnieuw laten rekenen en alleen veranderd wat hier staat. Dit beschrijft de beslissing zoals die is genomen. Het is geen advies en geen belofte over een nieuwe aanvraag.
counterfactual-note-none = Wij hebben hetzelfde model met dezelfde grens opnieuw laten rekenen met veel kleine veranderingen, van elk hoogstens { $most } gegevens en alleen met waarden die in de referentiegroep voorkomen. Binnen deze grenzen vonden wij er geen die de uitkomst had veranderd.
counterfactual-note-favourable = De uitkomst was de gunstige; daarom is naar geen andere gezocht.
counterfactual-note-not-the-score = De uitkomst volgt niet uit de score; daarom is naar geen andere score gezocht.

## How it was worked out, and what it cannot say

method-reference-group = De punten van elk gegeven komen uit de vergelijking van dit geval met elk geval in de referentiegroep, gemiddeld over alle volgorden waarin de gegevens kunnen worden bekeken (Shapley-waarden van de log-odds van het model, methode { $engine }). Voor dit model zijn ze exact, niet geschat. { $since } Punten zijn de log-odds van het model op een lineaire schaal: { $limit } punten bij { $cut } en { $per } punten voor elke eenheid in het voordeel van de persoon.
method-training-paths = De punten van elk gegeven komen uit de paden die de trainingsgegevens door het model hebben gevolgd, gemiddeld over alle volgorden waarin de gegevens kunnen worden bekeken (Shapley-waarden van de log-odds van het model, methode { $engine }). Ze vergelijken dit geval niet met een groep mensen. { $since } Punten zijn de log-odds van het model op een lineaire schaal: { $limit } punten bij { $cut } en { $per } punten voor elke eenheid in het voordeel van de persoon.
method-other = De punten van elk gegeven zijn die van de methode { $engine }. { $since } Punten zijn de log-odds van het model op een lineaire schaal: { $limit } punten bij { $cut } en { $per } punten voor elke eenheid in het voordeel van de persoon.
method-since-decision = Ze zijn bij de beslissing vastgelegd en gecontroleerd met de score van het model.
method-since-later = Ze zijn niet bij de beslissing vastgelegd: ze zijn later berekend, op { $day }, met het gearchiveerde model en dezelfde gegevens, en gecontroleerd met de score die toen is vastgelegd.
limit-not-causes = De punten laten zien hoe dit model de gegevens van dit geval heeft gebruikt. Ze laten niet zien hoe iemand in de situatie is gekomen die de gegevens beschrijven, of hoe die persoon zal handelen.
limit-linked = Gegevens die met elkaar samenhangen, kunnen punten delen.
limit-reference = Met een andere referentiegroep kunnen de punten anders zijn.
limit-typical = De getoonde waarde van de referentiegroep is de middelste of de meest voorkomende. Een gegeven kan de score ook verhogen of verlagen als die waarde het omgekeerde doet vermoeden, want het model weegt alle gegevens samen.
limit-rounding = Punten zijn afgerond op één decimaal; een som kan daardoor in het laatste cijfer afwijken.
limit-unstable = Het laatst genoemde gegeven verlaagde de score bijna evenveel als het volgende, dat niet is genoemd.
limit-tied = Sommige van deze redenen verlaagden de score bijna evenveel, zodat een andere steekproef van de referentiegroep hun volgorde kan veranderen: { $groups }.
limit-missing = Sommige gegevens zijn niet opgegeven. Het model heeft de score zonder die gegevens berekend.

## Checks of the explanation against the model

gate-additivity = Basis, bijdragen en rest tellen op tot de score van het model; afwijking { $off } van hoogstens { $tolerance } eenheden van 10^-6.
gate-rerun = Een tweede keer berekend; de bijdragen wijken hoogstens { $off } van { $tolerance } eenheden van 10^-6 af.
gate-rerun-impossible = De bijdragen konden niet een tweede keer worden berekend.
gate-reference-group = De beginscore is het gemiddelde van de referentiegroep; afwijking { $off } van hoogstens { $tolerance } eenheden van 10^-6.
gate-perturbation = { $count ->
    [0] Er is geen reden om te proberen.
   *[other] Met de waarden van de referentiegroep voor de gegevens van alle redenen { $together ->
        [yes] ging de score omhoog
       *[no] ging de score niet omhoog
    }; voor één reden tegelijk ging de score omhoog bij { $right } van { $count }. Van de andere wordt gezegd dat ze samen met andere gegevens tellen.
}
gate-reasons-scored = { $right } van { $count } redenen zijn gegevens die het model heeft meegeteld en die de score hebben verlaagd.
gate-reasons-none = Er is nadelig beslist, en er is geen regel en geen meegeteld gegeven om als reden te noemen: een persoon moet die vinden en geven.
gate-outcome = De vastgelegde uitkomst is { $follows ->
    [yes] die waartoe de score, de grens en de regels leiden.
   *[no] niet die waartoe de score, de grens en de regels leiden: een persoon moet nagaan wat heeft beslist en de reden geven.
}
gate-reasons-allowed = { $count ->
    [0] Elke reden heeft een tekst en geen enkele is een beschermd kenmerk.
    [one] Eén reden is een beschermd kenmerk, staat voor een beschermd kenmerk of heeft geen tekst: { $groups }.
   *[other] { $count } redenen zijn beschermde kenmerken, staan daarvoor of hebben geen tekst: { $groups }.
}
gate-rules-beyond = Er waren meer regels van toepassing dan een kennisgeving redenen noemt (hoogstens { $most }). Niet genoemd: { $groups }.
gate-helped-guarded = Genoemd als verhoging van de score, hoewel beschermd of in de plaats van iets beschermds: { $groups }.
gate-rank-stability = { $count ->
    [0] In { $agreed }% van de trekkingen van de referentiegroep ({ $draws }) komen dezelfde redenen naar voren; minstens { $needed }% is nodig.
   *[other] In { $agreed }% van de trekkingen van de referentiegroep ({ $draws }) komen dezelfde redenen naar voren; minstens { $needed }% is nodig. Twijfelachtig: { $groups }.
}
gate-rank-stability-unknown = Of een andere trekking van de referentiegroep dezelfde redenen zou geven, is niet na te gaan: de groep is te klein of de waarden zijn schattingen.

## Layers: for the person, for a reviewer, for a regulator

layer-summary = Kort gezegd
layer-reasons = Redenen
layer-details = Bijzonderheden
layer-method = Hoe het is berekend
layer-points = { $text } ({ $points } punten)
layer-left = { $item }. Niet als reden genoemd: { $why }
layer-code = { $text }. Code: { $code }; bedrag: { $amount } miljoensten van de log-odds
layer-check = { $passed ->
    [yes] Geslaagd
   *[no] Niet geslaagd
}: { $detail }
