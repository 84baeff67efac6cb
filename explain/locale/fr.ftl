# Ce qu'une explication dit en français, avec le vouvoiement, pour qui n'est pas du métier.
#
# Règles, comme dans en.ftl : dire ce qui a fait bouger le score de ce modèle, jamais ce qui
# aurait « causé » quelque chose ; des points pour les contributions, jamais un pourcentage ;
# dire ce qui aurait changé le résultat de la décision prise, jamais ce qui se passera.
# Les nombres arrivent mis en forme. Syntaxe : https://projectfluent.org

## Values

value-yes = oui
value-no = non
value-missing = non communiqué
unit-none = { $number }
unit-count = { $number }
unit-percent = { $number }{ "\u00A0" }%
unit-usd = { $number }
unit-usd-per-month = { $number } par mois
unit-months = { $count ->
   *[other] { $number } mois
}
unit-years = { $count ->
    [one] { $number } an
   *[other] { $number } ans
}
reference-mostly = le plus souvent { $value }
item-with-value = { $label } ({ $value })
item-with-points = { $label } : { $value } ({ $points } points)
item-with-others = { $item }, avec { $others }

## Outcomes

outcome-approved = Demande approuvée
outcome-declined = Demande refusée
outcome-accepted = Demande acceptée
outcome-rejected = Demande rejetée
outcome-referred = Dossier transmis à une personne
outcome-granted = Demande accordée
outcome-refused = Demande non accordée

## The decision in one sentence

summary-against = { $outcome } : le modèle a donné un score de { $score } points et il en fallait au moins { $limit }. Par rapport au groupe de référence, l’élément qui a le plus abaissé le score est : { $item }.
summary-against-bare = { $outcome } : le modèle a donné un score de { $score } points et il en fallait au moins { $limit }.
summary-for = { $outcome } : le modèle a donné un score de { $score } points et il en fallait au moins { $limit }. Par rapport au groupe de référence, l’élément qui a le plus relevé le score est : { $item }.
summary-for-bare = { $outcome } : le modèle a donné un score de { $score } points et il en fallait au moins { $limit }.
summary-rule = { $outcome } : une règle de la politique a décidé, quel que soit le score. { $reason }.
summary-not-the-score = { $outcome } : ce résultat ne découle pas du score du modèle, qui était de { $score } points alors qu’il en fallait au moins { $limit }. Cette explication ne dit pas ce qui y a conduit.

## The decision in paragraphs

paragraph-decision = Un modèle statistique a calculé, à partir des éléments de ce dossier, un score de { $score } points. Le seuil est de { $limit } points. S’il est atteint, le résultat est « { $pass } » ; sinon, « { $fail } ». Le résultat a été « { $outcome } ».
paragraph-rule = { $count ->
    [one] Outre le score, la politique a des règles qui décident quel que soit le score. Celle-ci a décidé : { $items }.
   *[other] Outre le score, la politique a des règles qui décident quel que soit le score. Celles-ci ont décidé : { $items }.
}
paragraph-reference = Chaque dossier part du score moyen du groupe de référence : { $population }. Cette moyenne est de { $reference } points. À partir de là, chaque élément de ce dossier a relevé ou abaissé le score de ce modèle, ou ne l’a pas changé.
paragraph-reasons = { $count ->
    [one] Par rapport au groupe de référence, l’élément qui a le plus abaissé le score de ce modèle est : { $items }.
   *[other] Par rapport au groupe de référence, les éléments qui ont le plus abaissé le score de ce modèle sont : { $items }.
}
paragraph-no-reasons = Par rapport au groupe de référence, rien n’a, au total, abaissé le score de ce modèle.
paragraph-helped = { $count ->
    [one] Cet élément a relevé le score : { $items }.
   *[other] Ces éléments ont relevé le score : { $items }.
}

## Reasons

reason-phrase = { $reason } : { $phrase } (groupe de référence : { $reference })
reason-value = { $reason } : { $value } (groupe de référence : { $reference })
reason-yes-no = { $reason } ({ $label } : { $value } ; groupe de référence : { $reference })
reason-combined = { $label } : { $value } (groupe de référence : { $reference }). Cet élément n’a abaissé le score qu’avec d’autres
reason-bare = { $label } : { $value } (groupe de référence : { $reference })
reason-not-given = { $label } : non communiqué (groupe de référence : { $reference })
reason-rule = { $reason } ({ $items })
reason-together = { $text }. Compté avec : { $others }
reason-helped = { $label } : { $value } (groupe de référence : { $reference })

suppressed-small = moins de { $share } de tout ce qui a abaissé le score
suppressed-beyond-limit = plus faible que les { $most } motifs indiqués
suppressed-rule-beyond = une règle qui s’est appliquée aussi ; les { $most } motifs d’une notification ne lui laissent pas de place
suppressed-same-reason = déjà cité comme motif d’une règle
suppressed-other-component = une règle a décidé, et le score seul aurait suffi

## What would have changed the outcome

change = { $label } : { $to } (au lieu de : { $from })
counterfactual = { $changes }. Tout le reste étant égal, ce modèle aurait donné un score de { $score } points, qui mène à « { $outcome } ».
counterfactual-note-found = Nous avons relancé le même modèle avec le même seuil en ne changeant que ce qui est indiqué ici. Cela décrit la décision telle qu’elle a été prise. Ce n’est ni un conseil, ni une promesse pour une nouvelle demande.
counterfactual-note-none = Nous avons relancé le même modèle avec le même seuil sur de nombreux petits changements, portant chacun sur { $most } éléments au plus et limités aux valeurs présentes dans le groupe de référence. Dans ces limites, nous n’avons trouvé aucun changement qui aurait modifié le résultat.
counterfactual-note-favourable = Le résultat était le résultat favorable ; aucun autre n’a donc été recherché.
counterfactual-note-not-the-score = Le résultat ne découle pas du score ; aucun autre score n’a donc été recherché.

## How it was worked out, and what it cannot say

method-reference-group = Les points de chaque élément viennent de la comparaison de ce dossier avec chaque dossier du groupe de référence, en faisant la moyenne sur tous les ordres dans lesquels on peut examiner les éléments (valeurs de Shapley des log-odds du modèle, moteur { $engine }). Pour ce modèle, ils sont exacts et non estimés. { $since } Les points sont les log-odds du modèle sur une échelle linéaire : { $limit } points à { $cut }, et { $per } points par unité en faveur de la personne.
method-training-paths = Les points de chaque élément viennent des chemins que les données d’apprentissage ont suivis dans le modèle, en faisant la moyenne sur tous les ordres dans lesquels on peut examiner les éléments (valeurs de Shapley des log-odds du modèle, moteur { $engine }). Ils ne comparent pas ce dossier avec un groupe de personnes. { $since } Les points sont les log-odds du modèle sur une échelle linéaire : { $limit } points à { $cut }, et { $per } points par unité en faveur de la personne.
method-other = Les points de chaque élément sont ceux du moteur { $engine }. { $since } Les points sont les log-odds du modèle sur une échelle linéaire : { $limit } points à { $cut }, et { $per } points par unité en faveur de la personne.
method-since-decision = Ils ont été enregistrés avec la décision et vérifiés par rapport au score du modèle.
method-since-later = Ils n’ont pas été enregistrés avec la décision : ils ont été calculés plus tard, le { $day }, avec le modèle archivé et les mêmes données, et vérifiés par rapport au score enregistré à l’époque.
limit-not-causes = Les points montrent comment ce modèle a utilisé les éléments de ce dossier. Ils ne montrent pas d’où vient la situation que ces éléments décrivent, ni comment la personne se comportera.
limit-linked = Des éléments liés entre eux peuvent se partager des points.
limit-reference = Avec un autre groupe de référence, les points peuvent être différents.
limit-typical = La valeur indiquée pour le groupe de référence est sa valeur médiane ou la plus fréquente. Un élément peut relever ou abaisser le score même si cette valeur laisse penser le contraire, car le modèle évalue tous les éléments ensemble.
limit-rounding = Les points sont arrondis à une décimale ; le dernier chiffre d’une somme peut donc différer.
limit-unstable = Le dernier élément cité a abaissé le score presque autant que le suivant, qui n’est pas cité.
limit-tied = Certains de ces motifs ont abaissé le score presque autant l’un que l’autre, si bien qu’un autre échantillon du groupe de référence peut en changer l’ordre : { $groups }.
limit-missing = Certains éléments n’ont pas été communiqués. Le modèle a évalué le dossier sans eux.

## Checks of the explanation against the model

gate-additivity = La base, les contributions et le reste donnent ensemble le score du modèle ; écart de { $off } sur { $tolerance } unités de 10^-6 au plus.
gate-rerun = Calculées une seconde fois, les contributions s’écartent d’au plus { $off } sur { $tolerance } unités de 10^-6.
gate-rerun-impossible = Le second calcul des contributions a échoué.
gate-reference-group = Le score de départ est la moyenne du groupe de référence ; écart de { $off } sur { $tolerance } unités de 10^-6 au plus.
gate-perturbation = { $count ->
    [0] Il n’y a aucun motif à essayer.
   *[other] Avec les valeurs du groupe de référence pour les éléments de tous les motifs, le score { $together ->
        [yes] a augmenté
       *[no] n’a pas augmenté
    } ; pour un motif à la fois, il a augmenté pour { $right } sur { $count }. Les autres sont présentés comme comptant avec d’autres éléments.
}
gate-reasons-scored = { $right } motifs sur { $count } sont des éléments que le modèle a évalués et qui ont abaissé le score.
gate-reasons-none = Le cas a été refusé, et ni une règle ni un élément évalué ne peut être donné comme motif : une personne doit le trouver et le donner.
gate-outcome = Le résultat enregistré { $follows ->
    [yes] est celui auquel mènent le score, le seuil et les règles.
   *[no] n’est pas celui auquel mènent le score, le seuil et les règles : une personne doit établir ce qui a décidé et donner le motif.
}
gate-reasons-allowed = { $count ->
    [0] Chaque motif a un texte et aucun n’est une caractéristique protégée.
    [one] Un motif est une caractéristique protégée, en tient lieu ou n’a pas de texte : { $groups }.
   *[other] { $count } motifs sont des caractéristiques protégées, en tiennent lieu ou n’ont pas de texte : { $groups }.
}
gate-rules-beyond = Plus de règles se sont appliquées qu’une notification ne donne de motifs ({ $most } au plus). Non citées : { $groups }.
gate-helped-guarded = Cités comme relevant le score, bien que protégés ou tenant lieu d’une caractéristique protégée : { $groups }.
gate-rank-stability = { $count ->
    [0] Dans { $agreed } % des tirages du groupe de référence ({ $draws }), les mêmes motifs ressortent ; il en faut au moins { $needed } %.
   *[other] Dans { $agreed } % des tirages du groupe de référence ({ $draws }), les mêmes motifs ressortent ; il en faut au moins { $needed } %. En doute : { $groups }.
}
gate-rank-stability-unknown = On ne peut pas savoir si un autre tirage du groupe de référence donnerait les mêmes motifs : le groupe est trop petit ou les valeurs sont estimées.

## Layers: for the person, for a reviewer, for a regulator

layer-summary = En bref
layer-reasons = Motifs
layer-details = Détails
layer-method = Comment cela a été calculé
layer-points = { $text } ({ $points } points)
layer-left = { $item }. Non cité comme motif : { $why }
layer-code = { $text }. Code : { $code } ; montant : { $amount } millionièmes des log-odds
layer-check = { $passed ->
    [yes] Réussi
   *[no] Échoué
} : { $detail }
