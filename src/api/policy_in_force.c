#include "api/policy_in_force.h"

#include "auth/policy/rules.h"

struct policy *api_policy(struct api *a)
{
    struct policy *p;

    if (a->guard.rules)
        return rules_policy(a->guard.rules);
    pthread_mutex_lock(&a->mutex);
    p = policy_ref(a->policy);
    pthread_mutex_unlock(&a->mutex);
    return p;
}

void api_set_policy(struct api *a, struct policy *policy)
{
    struct policy *old;

    if (a->guard.rules) {
        rules_set_file(a->guard.rules, policy);
        return;
    }
    pthread_mutex_lock(&a->mutex);
    old = a->policy;
    a->policy = policy;
    pthread_mutex_unlock(&a->mutex);
    policy_unref(old);
}
