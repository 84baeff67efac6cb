# Was eine Erklärung auf Deutsch sagt: in der Sie-Form, für Lesende ohne Fachkenntnisse.
#
# Regeln wie in en.ftl: gesagt wird, was die Punktzahl dieses Modells bewegt hat, nie was etwas
# „verursacht“ hat; Beiträge stehen in Punkten, nie in Prozent; gesagt wird, was das Ergebnis
# der damaligen Entscheidung geändert hätte, nie was geschehen wird. Zahlen kommen formatiert an.
# Syntax: https://projectfluent.org

## Values

value-yes = ja
value-no = nein
value-missing = keine Angabe
unit-none = { $number }
unit-count = { $number }
unit-percent = { $number }{ "\u00A0" }%
unit-usd = { $number }
unit-usd-per-month = { $number } im Monat
unit-months = { $count ->
    [one] { $number } Monat
   *[other] { $number } Monate
}
unit-years = { $count ->
    [one] { $number } Jahr
   *[other] { $number } Jahre
}
reference-mostly = am häufigsten { $value }
item-with-value = { $label } ({ $value })
item-with-points = { $label }: { $value } ({ $points } Punkte)
item-with-others = { $item }, zusammen mit { $others }

## Outcomes

outcome-approved = Genehmigt
outcome-declined = Abgelehnt
outcome-accepted = Angenommen
outcome-rejected = Zurückgewiesen
outcome-referred = An eine Person weitergegeben
outcome-granted = Bewilligt
outcome-refused = Nicht bewilligt

## The decision in one sentence

summary-against = { $outcome }: Das Modell ergab { $score } Punkte, nötig waren mindestens { $limit }. Im Vergleich mit der Vergleichsgruppe hat diese Angabe die Punktzahl am meisten gesenkt: { $item }.
summary-against-bare = { $outcome }: Das Modell ergab { $score } Punkte, nötig waren mindestens { $limit }.
summary-for = { $outcome }: Das Modell ergab { $score } Punkte, nötig waren mindestens { $limit }. Im Vergleich mit der Vergleichsgruppe hat diese Angabe die Punktzahl am meisten erhöht: { $item }.
summary-for-bare = { $outcome }: Das Modell ergab { $score } Punkte, nötig waren mindestens { $limit }.
summary-rule = { $outcome }: Entschieden hat eine Regel der Entscheidungsrichtlinie, unabhängig von der Punktzahl. { $reason }.
summary-not-the-score = { $outcome }: Das folgt nicht aus der Punktzahl des Modells. Diese betrug { $score }, nötig waren mindestens { $limit }. Was dazu geführt hat, sagt diese Erklärung nicht.

## The decision in paragraphs

paragraph-decision = Ein statistisches Modell hat aus den Angaben zu diesem Fall eine Punktzahl von { $score } berechnet. Der Grenzwert liegt bei { $limit } Punkten. Wird er erreicht, lautet das Ergebnis „{ $pass }“, sonst „{ $fail }“. Das Ergebnis war „{ $outcome }“.
paragraph-rule = { $count ->
    [one] Neben der Punktzahl gibt es Regeln, die unabhängig von ihr entscheiden. Diese hat entschieden: { $items }.
   *[other] Neben der Punktzahl gibt es Regeln, die unabhängig von ihr entscheiden. Diese haben entschieden: { $items }.
}
paragraph-reference = Jeder Fall beginnt bei der durchschnittlichen Punktzahl der Vergleichsgruppe: { $population }. Dieser Durchschnitt liegt bei { $reference } Punkten. Von dort aus hat jede Angabe zu diesem Fall die Punktzahl dieses Modells gesenkt, erhöht oder nicht verändert.
paragraph-reasons = { $count ->
    [one] Im Vergleich mit der Vergleichsgruppe hat diese Angabe die Punktzahl dieses Modells am meisten gesenkt: { $items }.
   *[other] Im Vergleich mit der Vergleichsgruppe haben diese Angaben die Punktzahl dieses Modells am meisten gesenkt: { $items }.
}
paragraph-no-reasons = Im Vergleich mit der Vergleichsgruppe hat unter dem Strich nichts die Punktzahl dieses Modells gesenkt.
paragraph-helped = { $count ->
    [one] Diese Angabe hat die Punktzahl erhöht: { $items }.
   *[other] Diese Angaben haben die Punktzahl erhöht: { $items }.
}

## Reasons

reason-phrase = { $reason }: { $phrase } (Vergleichsgruppe: { $reference })
reason-value = { $reason }: { $value } (Vergleichsgruppe: { $reference })
reason-yes-no = { $reason } ({ $label }: { $value }; Vergleichsgruppe: { $reference })
reason-combined = { $label }: { $value } (Vergleichsgruppe: { $reference }). Das hat die Punktzahl nur zusammen mit anderen Angaben gesenkt
reason-bare = { $label }: { $value } (Vergleichsgruppe: { $reference })
reason-not-given = { $label }: keine Angabe (Vergleichsgruppe: { $reference })
reason-rule = { $reason } ({ $items })
reason-together = { $text }. Zusammen gezählt mit: { $others }
reason-helped = { $label }: { $value } (Vergleichsgruppe: { $reference })

suppressed-small = weniger als { $share } von allem, was die Punktzahl gesenkt hat
suppressed-beyond-limit = schwächer als die { $most } genannten Gründe
suppressed-rule-beyond = eine Regel, die auch gegriffen hat; die { $most } Gründe einer Mitteilung lassen keinen Platz für sie
suppressed-same-reason = schon als Grund einer Regel genannt
suppressed-other-component = eine Regel hat entschieden, und die Punktzahl allein hätte gereicht

## What would have changed the outcome

change = { $label }: { $to } (statt: { $from })
counterfactual = { $changes }. Bei sonst gleichen Angaben hätte dieses Modell { $score } Punkte ergeben. Diese Punktzahl führt zu „{ $outcome }“.
counterfactual-note-found = Wir haben dasselbe Modell mit demselben Grenzwert noch einmal rechnen lassen und nur geändert, was hier genannt ist. Das beschreibt die Entscheidung, wie sie getroffen wurde. Es ist kein Rat und kein Versprechen für einen neuen Antrag.
counterfactual-note-none = Wir haben dasselbe Modell mit demselben Grenzwert mit vielen kleinen Änderungen noch einmal rechnen lassen, mit Änderungen an höchstens { $most } Angaben und nur mit Werten, die in der Vergleichsgruppe vorkommen. In diesem Rahmen fanden wir keine, die das Ergebnis geändert hätte.
counterfactual-note-favourable = Das Ergebnis war das günstige. Nach einem anderen wurde daher nicht gesucht.
counterfactual-note-not-the-score = Das Ergebnis folgt nicht aus der Punktzahl. Nach einer anderen Punktzahl wurde daher nicht gesucht.

## How it was worked out, and what it cannot say

method-reference-group = Die Punkte einer Angabe ergeben sich, indem dieser Fall mit jedem Fall der Vergleichsgruppe verglichen und über alle Reihenfolgen gemittelt wird, in denen man die Angaben betrachten kann (Shapley-Werte der Log-Odds des Modells, Verfahren { $engine }). Für dieses Modell sind sie genau, nicht geschätzt. { $since } Punkte sind die Log-Odds des Modells auf einer linearen Skala: { $limit } Punkte bei { $cut } und { $per } Punkte für jede Einheit zugunsten der Person.
method-training-paths = Die Punkte einer Angabe ergeben sich aus den Wegen, die die Trainingsdaten durch das Modell genommen haben, gemittelt über alle Reihenfolgen, in denen man die Angaben betrachten kann (Shapley-Werte der Log-Odds des Modells, Verfahren { $engine }). Dieser Fall wird dabei nicht mit einer Gruppe von Personen verglichen. { $since } Punkte sind die Log-Odds des Modells auf einer linearen Skala: { $limit } Punkte bei { $cut } und { $per } Punkte für jede Einheit zugunsten der Person.
method-other = Die Punkte einer Angabe stammen aus dem Verfahren { $engine }. { $since } Punkte sind die Log-Odds des Modells auf einer linearen Skala: { $limit } Punkte bei { $cut } und { $per } Punkte für jede Einheit zugunsten der Person.
method-since-decision = Sie wurden mit der Entscheidung gespeichert und mit der Punktzahl des Modells abgeglichen.
method-since-later = Sie wurden nicht mit der Entscheidung gespeichert, sondern später, am { $day }, mit dem archivierten Modell und denselben Daten berechnet und mit der damals gespeicherten Punktzahl abgeglichen.
limit-not-causes = Die Punkte zeigen, wie dieses Modell die Angaben zu diesem Fall verwendet hat. Sie zeigen nicht, wie es zu der Lage kam, die die Angaben beschreiben, und nicht, wie sich die Person verhalten wird.
limit-linked = Angaben, die miteinander zusammenhängen, können sich Punkte teilen.
limit-reference = Mit einer anderen Vergleichsgruppe können die Punkte andere sein.
limit-typical = Der gezeigte Wert der Vergleichsgruppe ist ihr mittlerer oder ihr häufigster. Eine Angabe kann die Punktzahl auch dann senken oder erhöhen, wenn dieser Wert das Gegenteil vermuten lässt, denn das Modell wägt alle Angaben zusammen ab.
limit-rounding = Punkte sind auf eine Nachkommastelle gerundet. Eine Summe kann daher in der letzten Stelle abweichen.
limit-unstable = Die zuletzt genannte Angabe hat die Punktzahl fast ebenso stark gesenkt wie die nächste, die nicht genannt ist.
limit-tied = Einige dieser Gründe haben die Punktzahl so ähnlich stark gesenkt, dass eine andere Stichprobe der Vergleichsgruppe ihre Reihenfolge ändern kann: { $groups }.
limit-missing = Einige Angaben fehlten. Das Modell hat den Fall ohne sie bewertet.

## Checks of the explanation against the model

gate-additivity = Ausgangswert, Beiträge und Rest ergeben zusammen die Punktzahl des Modells; Abweichung { $off } von höchstens { $tolerance } Einheiten von 10^-6.
gate-rerun = Ein zweites Mal berechnet; die Beiträge weichen um höchstens { $off } von { $tolerance } Einheiten von 10^-6 ab.
gate-rerun-impossible = Die Beiträge ließen sich nicht ein zweites Mal berechnen.
gate-reference-group = Der Ausgangswert ist der Durchschnitt der Vergleichsgruppe; Abweichung { $off } von höchstens { $tolerance } Einheiten von 10^-6.
gate-perturbation = { $count ->
    [0] Es gibt keinen Grund, der zu prüfen wäre.
   *[other] Mit den Werten der Vergleichsgruppe für die Angaben aller Gründe { $together ->
        [yes] stieg die Punktzahl
       *[no] stieg die Punktzahl nicht
    }; für jeweils einen Grund allein stieg sie bei { $right } von { $count }. Von den übrigen wird gesagt, dass sie zusammen mit anderen Angaben zählen.
}
gate-reasons-scored = { $right } von { $count } Gründen sind Angaben, die das Modell bewertet hat und die die Punktzahl gesenkt haben.
gate-reasons-none = Der Fall wurde abschlägig entschieden, und weder eine Regel noch eine bewertete Angabe lässt sich als Grund nennen: Eine Person muss ihn finden und nennen.
gate-outcome = Das gespeicherte Ergebnis ist { $follows ->
    [yes] das, zu dem Punktzahl, Grenzwert und Regeln führen.
   *[no] nicht das, zu dem Punktzahl, Grenzwert und Regeln führen: Eine Person muss klären, was entschieden hat, und den Grund nennen.
}
gate-reasons-allowed = { $count ->
    [0] Jeder Grund hat einen Text und keiner ist ein geschütztes Merkmal.
    [one] Ein Grund ist ein geschütztes Merkmal, steht für eines oder hat keinen Text: { $groups }.
   *[other] { $count } Gründe sind geschützte Merkmale, stehen für eines oder haben keinen Text: { $groups }.
}
gate-rules-beyond = Es haben mehr Regeln gegriffen, als eine Mitteilung Gründe nennt (höchstens { $most }). Nicht genannt: { $groups }.
gate-helped-guarded = Als Erhöhung der Punktzahl genannt, obwohl geschützt oder stellvertretend für Geschütztes: { $groups }.
gate-rank-stability = { $count ->
    [0] In { $agreed } % der Ziehungen der Vergleichsgruppe ({ $draws }) ergeben sich dieselben Gründe; nötig sind mindestens { $needed } %.
   *[other] In { $agreed } % der Ziehungen der Vergleichsgruppe ({ $draws }) ergeben sich dieselben Gründe; nötig sind mindestens { $needed } %. Zweifelhaft: { $groups }.
}
gate-rank-stability-unknown = Ob eine andere Ziehung der Vergleichsgruppe dieselben Gründe ergäbe, lässt sich nicht feststellen: Die Gruppe ist zu klein, oder die Werte sind geschätzt.

## Layers: for the person, for a reviewer, for a regulator

layer-summary = Kurz gesagt
layer-reasons = Gründe
layer-details = Einzelheiten
layer-method = Wie es berechnet wurde
layer-points = { $text } ({ $points } Punkte)
layer-left = { $item }. Nicht als Grund genannt: { $why }
layer-code = { $text }. Kürzel: { $code }; Betrag: { $amount } Millionstel der Log-Odds
layer-check = { $passed ->
    [yes] Bestanden
   *[no] Nicht bestanden
}: { $detail }
