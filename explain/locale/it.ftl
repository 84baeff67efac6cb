# Che cosa dice una spiegazione in italiano, con il Lei, a chi non è del mestiere.
#
# Regole, come in en.ftl: dire che cosa ha spostato il punteggio di questo modello, mai che cosa
# ha «causato» qualcosa; punti per i contributi, mai una percentuale; dire che cosa avrebbe
# cambiato l'esito della decisione presa, mai che cosa accadrà. I numeri arrivano già scritti.
# Sintassi: https://projectfluent.org

## Values

value-yes = sì
value-no = no
value-missing = non indicato
unit-none = { $number }
unit-count = { $number }
unit-percent = { $number }%
unit-usd = { $number }
unit-usd-per-month = { $number } al mese
unit-months = { $count ->
    [one] { $number } mese
   *[other] { $number } mesi
}
unit-years = { $count ->
    [one] { $number } anno
   *[other] { $number } anni
}
reference-mostly = più spesso { $value }
item-with-value = { $label } ({ $value })
item-with-points = { $label }: { $value } ({ $points } punti)
item-with-others = { $item }, insieme a { $others }

## Outcomes

outcome-approved = Domanda approvata
outcome-declined = Domanda respinta
outcome-accepted = Domanda accettata
outcome-rejected = Domanda rigettata
outcome-referred = Caso affidato a una persona
outcome-granted = Domanda accolta
outcome-refused = Domanda non accolta

## The decision in one sentence

summary-against = { $outcome }: il modello ha dato un punteggio di { $score } e servivano almeno { $limit } punti. Rispetto al gruppo di riferimento, il dato che ha abbassato di più il punteggio è: { $item }.
summary-against-bare = { $outcome }: il modello ha dato un punteggio di { $score } e servivano almeno { $limit } punti.
summary-for = { $outcome }: il modello ha dato un punteggio di { $score } e servivano almeno { $limit } punti. Rispetto al gruppo di riferimento, il dato che ha alzato di più il punteggio è: { $item }.
summary-for-bare = { $outcome }: il modello ha dato un punteggio di { $score } e servivano almeno { $limit } punti.
summary-rule = { $outcome }: ha deciso una regola della politica, qualunque sia il punteggio. { $reason }.
summary-not-the-score = { $outcome }: questo esito non deriva dal punteggio del modello, che era { $score } mentre servivano almeno { $limit } punti. Questa spiegazione non dice che cosa vi ha portato.

## The decision in paragraphs

paragraph-decision = Un modello statistico ha calcolato, dai dati di questo caso, un punteggio di { $score }. La soglia è di { $limit } punti. Se è raggiunta, l’esito è «{ $pass }»; altrimenti «{ $fail }». L’esito è stato «{ $outcome }».
paragraph-rule = { $count ->
    [one] Oltre al punteggio, la politica ha regole che decidono qualunque sia il punteggio. Ha deciso questa: { $items }.
   *[other] Oltre al punteggio, la politica ha regole che decidono qualunque sia il punteggio. Hanno deciso queste: { $items }.
}
paragraph-reference = Ogni caso parte dal punteggio medio del gruppo di riferimento: { $population }. Questa media è di { $reference } punti. Da lì, ogni dato di questo caso ha alzato o abbassato il punteggio di questo modello, o non lo ha cambiato.
paragraph-reasons = { $count ->
    [one] Rispetto al gruppo di riferimento, il dato che ha abbassato di più il punteggio di questo modello è: { $items }.
   *[other] Rispetto al gruppo di riferimento, i dati che hanno abbassato di più il punteggio di questo modello sono: { $items }.
}
paragraph-no-reasons = Rispetto al gruppo di riferimento, nel complesso nulla ha abbassato il punteggio di questo modello.
paragraph-helped = { $count ->
    [one] Questo dato ha alzato il punteggio: { $items }.
   *[other] Questi dati hanno alzato il punteggio: { $items }.
}

## Reasons

reason-phrase = { $reason }: { $phrase } (gruppo di riferimento: { $reference })
reason-value = { $reason }: { $value } (gruppo di riferimento: { $reference })
reason-yes-no = { $reason } ({ $label }: { $value }; gruppo di riferimento: { $reference })
reason-combined = { $label }: { $value } (gruppo di riferimento: { $reference }). Ha abbassato il punteggio solo insieme ad altri dati
reason-bare = { $label }: { $value } (gruppo di riferimento: { $reference })
reason-not-given = { $label }: non indicato (gruppo di riferimento: { $reference })
reason-rule = { $reason } ({ $items })
reason-together = { $text }. Contato insieme a: { $others }
reason-helped = { $label }: { $value } (gruppo di riferimento: { $reference })

suppressed-small = meno del { $share } di tutto ciò che ha abbassato il punteggio
suppressed-beyond-limit = più debole dei { $most } motivi indicati
suppressed-rule-beyond = una regola che si è applicata anch’essa; i { $most } motivi di una comunicazione non le lasciano posto
suppressed-same-reason = già indicato come motivo di una regola
suppressed-other-component = ha deciso una regola, e il punteggio da solo sarebbe bastato

## What would have changed the outcome

change = { $label }: { $to } (invece di: { $from })
counterfactual = { $changes }. A parità di tutto il resto, questo modello avrebbe dato { $score } punti, un punteggio che porta a «{ $outcome }».
counterfactual-note-found = Abbiamo rieseguito lo stesso modello con la stessa soglia, cambiando soltanto ciò che è indicato qui. Questo descrive la decisione così come è stata presa. Non è un consiglio e non promette l’esito di una nuova domanda.
counterfactual-note-none = Abbiamo rieseguito lo stesso modello con la stessa soglia provando molti piccoli cambiamenti, ciascuno di { $most } dati al massimo e solo con valori presenti nel gruppo di riferimento. Entro questi limiti non ne abbiamo trovato nessuno che avrebbe cambiato l’esito.
counterfactual-note-favourable = L’esito è stato quello favorevole; perciò non ne è stato cercato un altro.
counterfactual-note-not-the-score = L’esito non deriva dal punteggio; perciò non è stato cercato un altro punteggio.

## How it was worked out, and what it cannot say

method-reference-group = I punti di ogni dato derivano dal confronto di questo caso con ogni caso del gruppo di riferimento, facendo la media su tutti gli ordini in cui i dati si possono considerare (valori di Shapley dei log-odds del modello, motore { $engine }). Per questo modello sono esatti, non stimati. { $since } I punti sono i log-odds del modello su una scala lineare: { $limit } punti a { $cut } e { $per } punti per ogni unità a favore della persona.
method-training-paths = I punti di ogni dato derivano dai percorsi che i dati di addestramento hanno seguito nel modello, facendo la media su tutti gli ordini in cui i dati si possono considerare (valori di Shapley dei log-odds del modello, motore { $engine }). Non confrontano questo caso con un gruppo di persone. { $since } I punti sono i log-odds del modello su una scala lineare: { $limit } punti a { $cut } e { $per } punti per ogni unità a favore della persona.
method-other = I punti di ogni dato sono quelli del motore { $engine }. { $since } I punti sono i log-odds del modello su una scala lineare: { $limit } punti a { $cut } e { $per } punti per ogni unità a favore della persona.
method-since-decision = Sono stati registrati con la decisione e verificati con il punteggio del modello.
method-since-later = Non sono stati registrati con la decisione: sono stati calcolati più tardi, il { $day }, con il modello archiviato e gli stessi dati, e verificati con il punteggio registrato allora.
limit-not-causes = I punti mostrano come questo modello ha usato i dati di questo caso. Non mostrano da che cosa nasce la situazione che i dati descrivono, né come la persona si comporterà.
limit-linked = I dati collegati tra loro possono dividersi i punti.
limit-reference = Con un altro gruppo di riferimento i punti possono essere diversi.
limit-typical = Il valore indicato per il gruppo di riferimento è quello centrale o il più frequente. Un dato può alzare o abbassare il punteggio anche se quel valore fa pensare il contrario, perché il modello valuta tutti i dati insieme.
limit-rounding = I punti sono arrotondati a un decimale; perciò una somma può differire nell’ultima cifra.
limit-unstable = L’ultimo dato indicato ha abbassato il punteggio quasi quanto il successivo, che non è indicato.
limit-tied = Alcuni di questi motivi hanno abbassato il punteggio in misura quasi uguale, perciò un altro campione del gruppo di riferimento può cambiarne l’ordine: { $groups }.
limit-missing = Alcuni dati non sono stati indicati. Il modello ha calcolato il punteggio senza di essi.

## Checks of the explanation against the model

gate-additivity = Base, contributi e resto danno insieme il punteggio del modello; scarto di { $off } su { $tolerance } unità di 10^-6 al massimo.
gate-rerun = Calcolati una seconda volta, i contributi si scostano al massimo di { $off } su { $tolerance } unità di 10^-6.
gate-rerun-impossible = Il secondo calcolo dei contributi non è riuscito.
gate-reference-group = Il punteggio di partenza è la media del gruppo di riferimento; scarto di { $off } su { $tolerance } unità di 10^-6 al massimo.
gate-perturbation = { $count ->
    [0] Non c’è alcun motivo da provare.
   *[other] Con i valori del gruppo di riferimento per i dati di tutti i motivi, il punteggio { $together ->
        [yes] è salito
       *[no] non è salito
    }; per un motivo alla volta, è salito per { $right } su { $count }. Gli altri sono presentati come dati che contano insieme ad altri.
}
gate-reasons-scored = { $right } motivi su { $count } sono dati che il modello ha valutato e che hanno abbassato il punteggio.
gate-reasons-none = Il caso è stato deciso a sfavore, e non c’è né una regola né un dato valutato da indicare come motivo: una persona deve trovarlo e indicarlo.
gate-outcome = L’esito registrato { $follows ->
    [yes] è quello a cui portano il punteggio, la soglia e le regole.
   *[no] non è quello a cui portano il punteggio, la soglia e le regole: una persona deve accertare che cosa ha deciso e indicare il motivo.
}
gate-reasons-allowed = { $count ->
    [0] Ogni motivo ha un testo e nessuno è una caratteristica protetta.
    [one] Un motivo è una caratteristica protetta, ne fa le veci o non ha un testo: { $groups }.
   *[other] { $count } motivi sono caratteristiche protette, ne fanno le veci o non hanno un testo: { $groups }.
}
gate-rules-beyond = Si sono applicate più regole dei motivi che una comunicazione indica (al massimo { $most }). Non indicate: { $groups }.
gate-helped-guarded = Indicati come favorevoli al punteggio, benché protetti o al posto di qualcosa di protetto: { $groups }.
gate-rank-stability = { $count ->
    [0] Nel { $agreed }% delle estrazioni del gruppo di riferimento ({ $draws }) risultano gli stessi motivi; serve almeno il { $needed }%.
   *[other] Nel { $agreed }% delle estrazioni del gruppo di riferimento ({ $draws }) risultano gli stessi motivi; serve almeno il { $needed }%. In dubbio: { $groups }.
}
gate-rank-stability-unknown = Non si può sapere se un’altra estrazione del gruppo di riferimento darebbe gli stessi motivi: il gruppo è troppo piccolo o i valori sono stime.

## Layers: for the person, for a reviewer, for a regulator

layer-summary = In breve
layer-reasons = Motivi
layer-details = Dettagli
layer-method = Come è stato calcolato
layer-points = { $text } ({ $points } punti)
layer-left = { $item }. Non indicato come motivo: { $why }
layer-code = { $text }. Codice: { $code }; valore: { $amount } milionesimi dei log-odds
layer-check = { $passed ->
    [yes] Superato
   *[no] Non superato
}: { $detail }
